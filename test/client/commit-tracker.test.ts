/** Batches that wait for the disk: when they are committed, when they fail, and that nothing is held afterwards. */
import { describe, expect, it } from 'vitest'
import { VltavaError } from '../../src/base/errors.ts'
import { CommitTracker } from '../../src/client/commit-tracker.ts'
import { type Lane, ProducerBatch } from '../../src/client/producer-batch.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { FakeTransport } from './fake-transport.ts'

const ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

function tracking() {
  const transport = new FakeTransport().addTopic('t', 2)
  const events: string[] = []
  const name = ({ partition, baseOffset }: ProducerBatch): string =>
    `${partition.topic}-${partition.partition}:${baseOffset}`
  const tracker = new CommitTracker(
    transport,
    (batch) => void events.push(name(batch)),
    (batch, error) => void events.push(`${name(batch)} ${error.code}`),
  ) // prettier-ignore
  const lanes = [0, 1].map((partition): Lane => ({
    topic: 't',
    topicId: ID,
    partition,
    open: undefined,
    isIdle: true,
    closeOpen: () => undefined,
    appended: () => undefined,
    failed: () => false,
  }))
  const add = (partition: number, baseOffset: number, recordCount: number): void => {
    const batch = new ProducerBatch(lanes[partition]!, new BatchBuilder(), transport.reserve(1)!, 0)
    batch.baseOffset = baseOffset
    batch.recordCount = recordCount
    tracker.add(batch)
  }
  return { transport, tracker, events, add }
}

describe('a batch is committed', () => {
  it('when the committed offset has passed its last record, not at it', async () => {
    const { transport, events, add } = tracking()
    add(0, 10, 5)
    for (const committed of [10, 14]) {
      transport.setCommitted('t', 0, committed)
      await transport.advance()
      expect(events, `committed ${committed}`).toEqual([])
    }
    transport.setCommitted('t', 0, 15)
    await transport.advance()
    expect(events).toEqual(['t-0:10'])
    expect(transport.watchCount).toBe(0)
  })

  it('in the order of its partition, independently of others', async () => {
    const { transport, events, add } = tracking()
    add(0, 0, 2)
    add(1, 0, 1)
    add(0, 2, 2)
    add(0, 4, 2)
    expect(transport.watchCount).toBe(2)
    transport.setCommitted('t', 0, 5)
    await transport.advance()
    expect(events).toEqual(['t-0:0', 't-0:2'])
    transport.setCommitted('t', 1, 1)
    await transport.advance()
    expect(transport.watchCount).toBe(1)
    transport.setCommitted('t', 0, 6)
    await transport.advance()
    expect(events).toEqual(['t-0:0', 't-0:2', 't-1:0', 't-0:4'])
    expect(transport.watchCount).toBe(0)
    add(0, 6, 1)
    transport.setCommitted('t', 0, 7)
    await transport.advance()
    expect(events.at(-1)).toBe('t-0:6')
  })
})

describe('a batch fails', () => {
  it('with its partition, those behind the last sync; what was synced before is committed', async () => {
    const { transport, events, add } = tracking()
    add(0, 0, 2)
    add(0, 2, 2)
    add(1, 0, 1)
    transport.setCommitted('t', 0, 2)
    transport.failures.set('t-0', { code: 'KAFKA_STORAGE_ERROR', message: 'EIO' })
    await transport.advance()
    expect(events).toEqual(['t-0:0', 't-0:2 KAFKA_STORAGE_ERROR'])
    transport.setCommitted('t', 1, 1)
    await transport.advance()
    expect(events.at(-1)).toBe('t-1:0')
  })

  it('that the log lost when it was opened anew, however far others have filled it since', async () => {
    const { transport, events, add } = tracking()
    add(0, 10, 5)
    transport.lostBelowGeneration = 1
    transport.setCommitted('t', 0, 100)
    await transport.advance()
    expect(events).toEqual(['t-0:10 KAFKA_STORAGE_ERROR'])
    expect(transport.watchCount).toBe(0)
  })

  it('with its topic, also if there is a new one of its name or it was gone when the batch came', async () => {
    const { transport, events, add } = tracking()
    add(0, 0, 2)
    transport.addTopic('t', 2, { topicId: 'another' })
    transport.setCommitted('t', 0, 100)
    await transport.advance()
    add(1, 0, 1)
    await transport.advance()
    expect(events).toEqual(['t-0:0 UNKNOWN_TOPIC_OR_PARTITION', 't-1:0 UNKNOWN_TOPIC_OR_PARTITION'])
    expect(transport.watchCount).toBe(0)
  })

  it('with the log, once, and the tracker can be told so twice', async () => {
    const { transport, tracker, events, add } = tracking()
    add(0, 0, 2)
    add(0, 2, 2)
    for (let i = 0; i < 2; i++) tracker.failAll(new VltavaError('LOG_CLOSED', 'closed'))
    expect(events).toEqual(['t-0:0 LOG_CLOSED', 't-0:2 LOG_CLOSED'])
    transport.setCommitted('t', 0, 100)
    await transport.advance()
    expect(events).toHaveLength(2)
    expect(transport.watchCount).toBe(0)
  })
})
