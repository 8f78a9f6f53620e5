/** vltava topic: every verb, as people and as programs read its results. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { exitOf, jsonLines, startVltava, temporaryDirectory, untilOutput, vltava, vltavaOk } from './run.ts'

const data = join(temporaryDirectory(), 'data')
const topic = (...args: string[]): string => vltavaOk(['topic', ...args, '--data', data]).text
const topicJson = (...args: string[]): unknown => JSON.parse(topic(...args, '--json'))

describe('vltava topic', () => {
  it('create makes the directory and the topic, with settings', () => {
    expect(topic('create', 'clicks', '--partitions', '2', '-c', 'retention.ms=3600000')).toBe(
      'topic clicks created with 2 partitions\n',
    )
    expect(topicJson('create', 'single')).toEqual({ topic: 'single', partitions: 1, configs: {} })
    const { status, stderr } = vltava(['topic', 'create', 'clicks', '--data', data])
    expect(status).toBe(1)
    expect(stderr).toContain('[TOPIC_ALREADY_EXISTS]')
  })

  it('list and describe show partitions, records, settings and offsets', () => {
    vltavaOk(['produce', 'clicks', '--partition', '1', '--data', data], 'a\nb\nc\n')
    expect(topic('list')).toBe(
      'TOPIC   PARTITIONS  RECORDS\nclicks           2        3\nsingle           1        0\n',
    )
    expect(jsonLines(topic('list', '--json'))).toEqual([
      { topic: 'clicks', partitions: 2, records: 3 },
      { topic: 'single', partitions: 1, records: 0 },
    ])
    expect(topic('describe', 'clicks')).toMatch(
      new RegExp(
        '^clicks, id [\\w-]{22}, 2 partitions\\nsettings:\\n  retention.ms=3600000\\n' +
          'PARTITION  START  END  COMMITTED  RECORDS\\n +0 +0 +0 +0 +0\\n +1 +0 +3 +3 +3\\n$',
      ),
    )
    expect(topicJson('describe', 'clicks')).toMatchObject({
      topic: 'clicks',
      configs: { 'retention.ms': '3600000' },
      partitions: [
        { partition: 0, log_start_offset: 0, high_watermark: 0, committed_offset: 0 },
        { partition: 1, log_start_offset: 0, high_watermark: 3, committed_offset: 3 },
      ],
    })
    expect(vltava(['topic', 'describe', 'nothing', '--data', data])).toMatchObject({ status: 1 })
  })

  it('alter sets and resets settings, and refuses what is none', () => {
    expect(topic('alter', 'clicks', '-c', 'segment.bytes=2000000', '--reset', 'retention.ms')).toBe(
      'topic clicks now has segment.bytes=2000000\n',
    )
    expect(topicJson('alter', 'clicks', '--reset', 'segment.bytes')).toEqual({ topic: 'clicks', configs: {} })
    expect(vltava(['topic', 'alter', 'clicks', '--data', data])).toMatchObject({ status: 2 })
    const { status, stderr } = vltava(['topic', 'alter', 'clicks', '-c', 'retention.mss=1', '--data', data])
    expect(status).toBe(1)
    expect(stderr).toContain('[INVALID_CONFIG]')
  })

  it('add-partitions adds to what is there', () => {
    expect(topic('add-partitions', 'clicks', '3')).toBe('topic clicks now has 5 partitions\n')
    expect(topicJson('add-partitions', 'single', '1')).toEqual({ topic: 'single', partitions: 2 })
  })

  it('trim and delete refuse to destroy anything where nobody can be asked', () => {
    const place = ['--partition', '1', '--offset', '2', '--data', data]
    for (const args of [
      ['trim', 'clicks', ...place],
      ['delete', 'clicks', '--data', data],
    ]) {
      const { status, stderr } = vltava(['topic', ...args])
      expect(status).toBe(2)
      expect(stderr).toContain('give --yes')
    }
    expect(topicJson('describe', 'clicks')).toMatchObject({ partitions: { 1: { log_start_offset: 0 } } })
  })

  it('trim --yes deletes the records below an offset, or all', () => {
    const trim = ['trim', 'clicks', '--partition', '1', '--yes']
    expect(topic(...trim, '--offset', '2')).toBe('clicks-1 now starts at offset 2, 2 records deleted\n')
    expect(vltavaOk(['consume', 'clicks', '--data', data]).text).toBe('c\n')
    expect(topic(...trim, '--offset', 'end')).toBe('clicks-1 now starts at offset 3, 1 record deleted\n')
    const { status, stderr } = vltava(['topic', ...trim, '--offset', '4', '--data', data])
    expect(status).toBe(1)
    expect(stderr).toContain('[OFFSET_OUT_OF_RANGE]')
  })

  it('delete --yes deletes', () => {
    expect(topic('delete', 'clicks', '--yes')).toBe('topic clicks deleted, with 0 records\n')
    expect(jsonLines(topic('list', '--json')).map((each) => each['topic'])).toEqual(['single'])
  })

  it('a directory that another process has open is refused with a reason', async () => {
    vltavaOk(['produce', 'single', '--data', data], 'here\n')
    const child = startVltava(['consume', 'single', '--follow', '--data', data])
    await untilOutput(child.stdout!, 'here\n')
    const { status, stderr } = vltava(['topic', 'list', '--data', data])
    expect(status).toBe(1)
    expect(stderr).toContain('is open already')
    expect(stderr).toContain('[DIRECTORY_LOCKED]')
    child.kill('SIGINT')
    expect(await exitOf(child)).toBe(0)
    expect(topic('list')).toContain('single')
  })
})
