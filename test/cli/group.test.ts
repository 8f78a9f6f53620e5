/** vltava group, and vltava consume --group: as people and as programs read their results. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { jsonLines, temporaryDirectory, vltava, vltavaOk } from './run.ts'

const data = join(temporaryDirectory(), 'data')
const run = (...args: string[]): string => vltavaOk([...args, '--data', data]).text

vltavaOk(['topic', 'create', 'clicks', '--partitions', '2', '--data', data])
vltavaOk(['produce', 'clicks', '--partition', '0', '--data', data], 'a\nb\nc\n')
vltavaOk(['produce', 'clicks', '--partition', '1', '--data', data], 'd\ne\n')

describe('vltava consume --group', () => {
  it('goes on where the group is, and commits what it prints, not what it read', () => {
    const first = run('consume', 'clicks', '--group', 'billing', '--max', '2')
    expect(first.split('\n').length).toBe(3)
    const rest = run('consume', 'clicks', '--group', 'billing')
    expect([...first.split('\n'), ...rest.split('\n')].filter((line) => line !== '').sort()).toEqual([
      'a',
      'b',
      'c',
      'd',
      'e',
    ])
    expect(run('consume', 'clicks', '--group', 'billing')).toBe('')
  })

  it('begins at the end of the topic if it is told to and the group has no offset', () => {
    expect(run('consume', 'clicks', '--group', 'late', '--from', 'end')).toBe('')
    expect(run('consume', 'clicks', '--group', 'other')).not.toBe('')
  })
})

describe('vltava group', () => {
  it('list shows every group and its state', () => {
    expect(run('group', 'list')).toContain('billing  consumer  Empty')
    expect(jsonLines(run('group', 'list', '--json'))).toContainEqual({
      group: 'billing',
      type: 'consumer',
      protocol_type: 'consumer',
      state: 'Empty',
    })
  })

  it('describe shows offsets and lag', () => {
    vltavaOk(['produce', 'clicks', '--partition', '0', '--data', data], 'f\n')
    expect(run('group', 'describe', 'billing')).toBe(
      'billing, consumer, Empty, 0 members, assigned by uniform\n' +
        'TOPIC   PARTITION  OFFSET  END  LAG  MEMBER\n' +
        'clicks          0       3    4    1  -\n' +
        'clicks          1       2    2    0  -\n',
    )
    expect(JSON.parse(run('group', 'describe', 'billing', '--json'))).toMatchObject({
      group: 'billing',
      state: 'Empty',
      members: [],
      offsets: [
        { topic: 'clicks', partition: 0, offset: 3, metadata: '', log_end_offset: 4, lag: 1 },
        { topic: 'clicks', partition: 1, offset: 2, lag: 0 },
      ],
    })
    const { status, stderr } = vltava(['group', 'describe', 'nobody', '--data', data])
    expect(status).toBe(1)
    expect(stderr).toContain('[GROUP_ID_NOT_FOUND]')
  })

  it('seek moves a group, where it has offsets or in a whole topic', () => {
    expect(run('group', 'seek', 'billing', '--to', 'start', '--yes')).toBe(
      'group billing moved in 2 partitions\n' +
        'TOPIC   PARTITION  OFFSET\n' +
        'clicks          0       0\n' +
        'clicks          1       0\n',
    )
    expect(run('consume', 'clicks', '--group', 'billing').split('\n').length).toBe(7)
    expect(JSON.parse(run('group', 'seek', 'fresh', '--to', 'end', '--topic', 'clicks', '--yes', '--json'))).toEqual({
      group: 'fresh',
      offsets: [
        { topic: 'clicks', partition: 0, offset: 4 },
        { topic: 'clicks', partition: 1, offset: 2 },
      ],
    })
    expect(vltava(['group', 'seek', 'billing', '--to', 'start', '--data', data]).status).toBe(2) // Nobody to ask.
  })

  it('delete takes the group and its offsets away', () => {
    expect(run('group', 'delete', 'billing', '--yes')).toBe('group billing deleted, with 2 offsets\n')
    expect(run('group', 'list')).not.toContain('billing')
    expect(vltava(['group', 'delete', 'billing', '--yes', '--data', data]).status).toBe(1)
  })
})
