import { describe, expect, it } from 'vitest'
import { SimClock } from '../../../src/base/env/sim-clock.ts'
import { VltavaError } from '../../../src/base/errors.ts'
import type { GroupCaller, GroupLink } from '../../../src/protocol/group-link.ts'
import { apiOf } from '../../../src/protocol/messages/apis.ts'
import { WireReader } from '../../../src/protocol/wire/wire-reader.ts'
import { WireWriter } from '../../../src/protocol/wire/wire-writer.ts'
import type { RequestContext } from '../../../src/server/handler.ts'
import { GROUP_HANDLERS } from '../../../src/server/groups/handlers.ts'
import { FakeTransport } from '../../client/fake-transport.ts'

interface Asked {
  readonly apiKey: number
  readonly apiVersion: number
  readonly request: object
  readonly caller: GroupCaller | undefined
}

class FakeLink implements GroupLink {
  readonly isLocal = true
  readonly asked: Asked[] = []
  answer: object = {}
  failure: Error | undefined

  ready(): Promise<void> {
    return this.failure === undefined ? Promise.resolve() : Promise.reject(this.failure)
  }

  coordinate(apiKey: number, apiVersion: number, request: object, caller?: GroupCaller): Promise<object> {
    this.asked.push({ apiKey, apiVersion, request, caller })
    return Promise.resolve(this.answer)
  }

  onGroupNews(): () => void {
    return () => undefined
  }
}

function contextOf(groups: GroupLink, apiVersion: number): RequestContext {
  return {
    apiVersion,
    clientId: 'rdkafka',
    clientHost: '/127.0.0.1',
    broker: { clusterId: 'c', nodeId: 7, host: 'broker.test', port: 9092, rack: null },
    transport: new FakeTransport(),
    get admin(): never {
      throw new Error('group handlers ask nothing of it')
    },
    groups,
    clock: new SimClock(),
    setting: () => undefined,
    signal: new AbortController().signal,
  }
}

/** Calls a handler, and takes its answer through the bytes of the version that asked. */
async function call(apiKey: number, apiVersion: number, request: object, link: GroupLink): Promise<object> {
  const handler = GROUP_HANDLERS.get(apiKey)!
  const api = apiOf(apiKey)!
  const asked = new WireWriter(64)
  api.request.write(asked, apiVersion, request)
  const decoded = api.request.read(new WireReader(asked.finish()), apiVersion)
  const answer = await handler(decoded, contextOf(link, apiVersion))
  const writer = new WireWriter(64)
  api.response.write(writer, apiVersion, answer)
  return api.response.read(new WireReader(writer.finish()), apiVersion)
}

describe('FindCoordinator', () => {
  const here = { nodeId: 7, host: 'broker.test', port: 9092, errorCode: 0 }

  it.each([0, 1, 2, 3])('version %i answers its one key at the top', async (version) => {
    expect(await call(10, version, { key: 'g' }, new FakeLink())).toMatchObject({ ...here, coordinators: [] })
  })

  it.each([4, 5, 6])('version %i answers each key, with the key', async (version) => {
    const answer = await call(10, version, { coordinatorKeys: ['one', 'two'] }, new FakeLink())
    expect(answer).toMatchObject({
      coordinators: [
        { key: 'one', ...here },
        { key: 'two', ...here },
      ],
    })
  })

  it('has no coordinator of transactions or share groups, and says so in an error that is not tried again', async () => {
    for (const keyType of [1, 2, -1]) {
      const answer = await call(10, 6, { keyType, coordinatorKeys: ['t'] }, new FakeLink())
      expect(answer).toMatchObject({ coordinators: [{ key: 't', nodeId: -1, port: -1, errorCode: 42 }] })
    }
  })

  it('answers COORDINATOR_NOT_AVAILABLE while none can be asked', async () => {
    const link = new FakeLink()
    link.failure = new VltavaError('SHARD_UNAVAILABLE', 'try again')
    expect(await call(10, 1, { key: 'g' }, link)).toMatchObject({ nodeId: -1, errorCode: 15 })
  })
})

describe('the other handlers', () => {
  it('are there for every API of groups and committed offsets', () => {
    expect([...GROUP_HANDLERS.keys()].sort((one, other) => one - other)).toEqual([
      8, 9, 10, 11, 12, 13, 14, 15, 16, 42, 47, 68, 69,
    ])
  })

  it('pass the request on as it was decoded, with its version and its caller', async () => {
    const link = new FakeLink()
    link.answer = { throttleTimeMs: 0, errorCode: 27 }
    const request = { groupId: 'g', generationId: 3, memberId: 'm', groupInstanceId: null }
    expect(await call(12, 3, request, link)).toEqual(link.answer)
    const caller = { clientId: 'rdkafka', clientHost: '/127.0.0.1' }
    expect(link.asked).toEqual([{ apiKey: 12, apiVersion: 3, request, caller }])
  })

  it.each([15, 69])('API %i tells authorised operations only to who asks, and of groups that exist', async (apiKey) => {
    const link = new FakeLink()
    const none = -0x8000_0000
    const group = { groupId: 'g', groupState: 'Empty', members: [], authorizedOperations: none }
    const groups = (): object[] => [
      { ...group, errorCode: 0 },
      { ...group, errorCode: 69 },
    ]
    const names = { groups: ['g', 'h'], groupIds: ['g', 'h'] }
    const lastVersion = apiOf(apiKey)!.lastVersion
    link.answer = { throttleTimeMs: 0, groups: groups() }
    const silent = { ...names, includeAuthorizedOperations: false }
    expect(await call(apiKey, lastVersion, pick(apiKey, silent), link)).toMatchObject({
      groups: [{ authorizedOperations: none }, { authorizedOperations: none }],
    })
    link.answer = { throttleTimeMs: 0, groups: groups() }
    const curious = { ...names, includeAuthorizedOperations: true }
    expect(await call(apiKey, lastVersion, pick(apiKey, curious), link)).toMatchObject({
      groups: [{ authorizedOperations: 3400 }, { authorizedOperations: none }],
    })
  })
})

function pick(apiKey: number, { groups, groupIds, ...rest }: Record<string, unknown>): object {
  return apiKey === 15 ? { groups, ...rest } : { groupIds, ...rest }
}
