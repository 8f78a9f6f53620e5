import { describe, expect, it } from 'vitest'
import type { GroupCoordinator } from '../../src/coordinator/group-coordinator.ts'
import { GroupApi, handleGroupRequest, refuseGroupRequest } from '../../src/coordinator/group-requests.ts'
import { apiOf } from '../../src/protocol/messages/apis.ts'
import { WireWriter } from '../../src/protocol/wire/wire-writer.ts'

const CONTEXT = { apiVersion: 5, clientId: 'c', clientHost: '/h' }

type Reply = (answer: object) => void

/** Answers what it is asked about, later if it is told so. */
function coordinatorNamed(name: string, later?: (() => void)[]): GroupCoordinator {
  const answer = (reply: Reply, response: object): void => {
    if (later === undefined) reply(response)
    else later.push(() => reply(response))
  }
  const fake = {
    handleDescribeGroups: ({ groups }: { groups: string[] }, _context: object, reply: Reply) =>
      answer(reply, { throttleTimeMs: 0, groups: groups.map((groupId) => ({ groupId, protocolType: name })) }),
    handleListGroups: (_request: object, _context: object, reply: Reply) =>
      answer(reply, { throttleTimeMs: 0, errorCode: 0, groups: [{ groupId: `of-${name}` }] }),
  }
  return fake as unknown as GroupCoordinator
}

/** Groups are numbers: the even ones are of coordinator 0. */
const parity = (groupId: string): number => Number(groupId) % 2

describe('a request about groups of several coordinators', () => {
  function ask(coordinators: (GroupCoordinator | undefined)[], apiKey: number, request: object): object[] {
    const answers: object[] = []
    handleGroupRequest(coordinators, parity, apiKey, request, CONTEXT, 14, (answer) => answers.push(answer))
    return answers
  }

  it('is split, and answered once in the order in which it asked', () => {
    const later: (() => void)[] = []
    const coordinators = [coordinatorNamed('even', later), coordinatorNamed('odd', later)]
    const answers = ask(coordinators, GroupApi.DESCRIBE_GROUPS, { groups: ['1', '2', '3', '1'] })
    for (const run of later.reverse()) {
      expect(answers).toEqual([])
      run()
    }
    const groups = [
      ['1', 'odd'],
      ['2', 'even'],
      ['3', 'odd'],
      ['1', 'odd'],
    ]
    expect(answers).toEqual([
      { throttleTimeMs: 0, groups: groups.map(([groupId, protocolType]) => ({ groupId, protocolType })) },
    ])
  })

  it('goes whole to the one coordinator that has them all', () => {
    const answers = ask([coordinatorNamed('even'), undefined], GroupApi.DESCRIBE_GROUPS, { groups: ['4', '2'] })
    expect(answers).toMatchObject([{ groups: [{ groupId: '4' }, { groupId: '2' }] }])
  })

  it('hears the error for the groups of a coordinator that cannot be asked', () => {
    const answers = ask([coordinatorNamed('even'), undefined], GroupApi.DESCRIBE_GROUPS, { groups: ['1', '2'] })
    expect(answers).toMatchObject([{ groups: [{ errorCode: 14 }, { protocolType: 'even' }] }])
  })

  it('names no group at all: every coordinator is asked, and an error of one is the answer of all', () => {
    const all = ask([coordinatorNamed('even'), coordinatorNamed('odd')], GroupApi.LIST_GROUPS, {})
    expect(all).toMatchObject([{ errorCode: 0, groups: [{ groupId: 'of-even' }, { groupId: 'of-odd' }] }])
    expect(ask([coordinatorNamed('even'), undefined], GroupApi.LIST_GROUPS, {})).toMatchObject([{ errorCode: 14 }])
  })

  it('names an empty list: the answer is empty', () => {
    const answers = ask([coordinatorNamed('even'), coordinatorNamed('odd')], GroupApi.DESCRIBE_GROUPS, { groups: [] })
    expect(answers).toEqual([{ throttleTimeMs: 0, groups: [] }])
  })
})

describe('a refusal', () => {
  const names = { groupId: 'g', memberId: 'm', groups: ['g'], groupsNames: ['g'], groupIds: ['g'] }
  const places = { partitions: [{ partitionIndex: 1 }], partitionIndexes: [1] }
  const topics = [{ name: 't', topicId: 'AAAAAAAAAAAAAAAAAAAAAA', ...places }]

  it.each(Object.entries(GroupApi))('of %s carries the code in what each version can say', (_, key) => {
    const api = apiOf(key)!
    for (let version = api.firstVersion; version <= api.lastVersion; version++) {
      const groups = key === GroupApi.OFFSET_FETCH ? [{ groupId: 'g', memberId: null, memberEpoch: -1, topics }] : ['g']
      const request = { ...names, groups, topics, members: [{ memberId: 'm', groupInstanceId: null }] }
      const refusal = refuseGroupRequest(key, version, request, 15)
      expect(JSON.stringify(refusal)).toContain('"errorCode":15')
      const writer = new WireWriter(64)
      api.response.write(writer, version, refusal)
      expect(writer.finish().length).toBeGreaterThan(0)
    }
  })
})
