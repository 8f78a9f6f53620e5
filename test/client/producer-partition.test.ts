/** A lane: sequence numbers, at most five batches under way, and memory that always comes back. */
import { expect, it } from 'vitest'
import type { VltavaError } from '../../src/base/errors.ts'
import { ProducerBatch } from '../../src/client/producer-batch.ts'
import { type ProducerCore, ProducerPartition } from '../../src/client/producer-partition.ts'
import type { Acks, BatchListener, BatchMemory } from '../../src/protocol/transport.ts'
import { BatchBuilder, NO_HEADERS } from '../../src/record/batch-builder.ts'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import { mulberry32, testSeed } from '../random.ts'
import { FakeTransport } from './fake-transport.ts'

interface Sent {
  readonly first: number
  readonly epoch: number
  readonly count: number
  readonly name: number
  readonly memory: BatchMemory
  readonly listener: BatchListener
}

/** Takes the headers only: the batches of these tests claim more records than they have. */
class HeaderTransport extends FakeTransport {
  readonly sent: Sent[] = []

  override submit(
    _topic: string,
    _partition: number,
    memory: BatchMemory,
    lengthBytes: number,
    _acks: Acks,
    listener: BatchListener,
  ): void {
    const batch = new RecordBatchView(memory.bytes).at(memory.start)
    expect(batch.sizeBytes).toBe(lengthBytes)
    expect(batch.computeCrc()).toBe(batch.crc)
    const { baseSequence: first, producerEpoch: epoch, recordCount: count, baseTimestamp: name } = batch
    this.sent.push({ first, epoch, count, name, memory, listener })
  }
}

function lane() {
  const transport = new HeaderTransport().addTopic('t', 1)
  const failed: number[] = []
  const appended: number[] = []
  const names = new Map<ProducerBatch, number>()
  const core: ProducerCore = {
    transport,
    acks: 1,
    compression: 'none',
    compressionLevel: undefined,
    producerId: 7,
    compressionFor: () => 'none',
    wantProducerId: () => undefined,
    batchFailed: (batch: ProducerBatch, _error: VltavaError) => void failed.push(names.get(batch)!),
    batchAppended: (batch: ProducerBatch) => void appended.push(names.get(batch)!),
  }
  const partition = new ProducerPartition(core, 't', transport.topic('t')!.topicId, 0)
  /** Hands a batch over that says it has `count` records; its name is its timestamp. */
  const handOver = (name: number, count: number): void => {
    const memory = transport.reserve(200)!
    const builder = new BatchBuilder()
    builder.open(memory.bytes, memory.view, memory.start, memory.start + memory.sizeBytes)
    builder.append(name, null, null, NO_HEADERS)
    builder.recordCount = count
    const batch = new ProducerBatch(partition, builder, memory, 0)
    names.set(batch, name)
    partition.open = batch
    partition.closeOpen()
  }
  const answer = (code?: 'INVALID_TIMESTAMP' | 'OUT_OF_ORDER_SEQUENCE_NUMBER'): number => {
    const { memory, listener, name } = transport.sent.shift()!
    if (code === undefined) {
      transport.release(memory)
      listener.onAppended(0, -1, 0)
    } else if (!listener.onFailed({ code, message: code }, false)) transport.release(memory)
    return name
  }
  return { transport, partition, failed, appended, handOver, answer }
}

it('sequence numbers go on from 2^31 - 1 with 0, also inside a batch', () => {
  const { transport, handOver, answer } = lane()
  const firsts: number[] = []
  for (const [name, count] of [2 ** 30, 2 ** 30 - 1, 1, 5, 2 ** 31 - 7, 4, 3].entries()) {
    handOver(name, count)
    firsts.push(transport.sent[0]!.first)
    answer()
  }
  // 2^31 - 1 is the sequence of the one-record batch; the sixth batch begins at 2^31 - 2 and ends at 1.
  expect(firsts).toEqual([0, 2 ** 30, 2 ** 31 - 1, 0, 5, 2 ** 31 - 2, 2])
})

it('any mixture of acceptance and refusal keeps the order, loses nothing and gives the memory back', () => {
  const seed = testSeed()
  const random = mulberry32(seed)
  for (let run = 0; run < 300; run++) {
    const { transport, partition, failed, appended, handOver, answer } = lane()
    // As the log sees it: what comes next, and the epoch.
    let expected = 0
    let epoch = 0
    let handedOver = 0
    const where = (): string => `SEED=${seed} run ${run}`
    while (handedOver < 40 || transport.sent.length > 0) {
      if (handedOver < 40 && (random() < 0.5 || transport.sent.length === 0)) {
        handOver(handedOver++, 1 + Math.floor(random() * 9))
        expect(transport.sent.length, where()).toBeLessThanOrEqual(5)
        continue
      }
      const next = transport.sent[0]!
      if (next.epoch > epoch && next.first === 0) {
        epoch = next.epoch
        expected = 0
      }
      const isInOrder = next.epoch === epoch && next.first === expected
      if (!isInOrder) answer('OUT_OF_ORDER_SEQUENCE_NUMBER')
      else if (random() < 0.2) answer('INVALID_TIMESTAMP')
      else {
        expected += next.count
        answer()
      }
    }
    expect(partition.isIdle, where()).toBe(true)
    expect(appended, where()).toEqual([...appended].sort((a, b) => a - b))
    expect(
      [...appended, ...failed].sort((a, b) => a - b),
      where(),
    ).toEqual(Array.from({ length: 40 }, (_, i) => i))
    // Only what was refused for itself is lost: about a fifth.
    expect(failed.length, where()).toBeLessThan(25)
    expect(transport.usedBytes, where()).toBe(0)
  }
})
