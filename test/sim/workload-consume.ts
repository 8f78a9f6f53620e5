/**
 * What consumers do in the simulation: they take partitions from anywhere, read, seek, pause, stop in the middle, and
 * tell the model of every record. Between two moves of their own, offsets must follow each other without a gap.
 */
import { type ErrorCode, OffsetOutOfRangeError } from '../../src/base/errors.ts'
import type { Consumer } from '../../src/client/consumer.ts'
import type { StartPosition } from '../../src/client/consumer-options.ts'
import type { ConsumerBatch } from '../../src/client/record-batch.ts'
import type { ModelTopic } from './model-topic.ts'
import type { ReadRecord } from './model.ts'
import { SimFailure } from './scheduler.ts'
import type { SimClient } from './sim-process.ts'
import type { Actor, World } from './world.ts'

const CONSUME_ERRORS: readonly ErrorCode[] = [
  'UNKNOWN_TOPIC_OR_PARTITION', // It was deleted.
  'OFFSET_OUT_OF_RANGE', // Trimmed, or beyond the end.
  'CONSUMER_CLOSED',
]

const text = new TextDecoder()

export function readRecordsOf(batch: ConsumerBatch): ReadRecord[] {
  return batch.records().map(({ offset, timestamp, key, value }) => ({
    offset,
    timestamp,
    key: key === null ? null : text.decode(key),
    value: value === null ? null : text.decode(value),
  }))
}

/** What one consumer reads at the moment. */
interface Reading {
  readonly consumer: Consumer
  /** By `topic-partition`, as they were when they were assigned. */
  readonly topics: Map<string, ModelTopic>
  /** The next offset of each partition, once a batch of it was read since the last move. */
  readonly next: Map<string, number>
}

export async function consume(world: World, client: SimClient, actor: Actor): Promise<void> {
  const { random } = actor
  while (!world.isStopping) {
    const from = random.pick(['earliest', 'latest', undefined] as const)
    const fetchBytes = random.pick([1, 500, 1 << 20])
    const consumer = client.log.consumer({ fetchBytes, ...(from === undefined ? {} : { from }) })
    const reading: Reading = { consumer, topics: new Map(), next: new Map() }
    for (let rounds = 1 + random.below(4); rounds > 0 && !world.isStopping; rounds--) {
      await actor.sleep(random.below(20))
      try {
        if (await assign(world, client, actor, reading)) await readSome(world, client, actor, reading)
      } catch (error) {
        const failure = world.expectError(error, 'a consumer', CONSUME_ERRORS)
        if (from === 'earliest' && failure instanceof OffsetOutOfRangeError) throw failure
      }
    }
    await consumer.close()
  }
}

function drawStart({ random }: Actor, world: World): StartPosition {
  const shape = random.below(10)
  if (shape < 5) return 'start'
  if (shape === 5) return 'end'
  if (shape === 6) return { timestamp: world.env.clock.wallMs() - random.below(1_000) }
  return random.below(40)
}

async function assign(world: World, client: SimClient, actor: Actor, reading: Reading): Promise<boolean> {
  const { random } = actor
  const known = client.transport.topics().filter(() => random.chance(0.7))
  const assignments = known.flatMap(({ topic, partitionCount }) =>
    random.chance(0.6)
      ? [{ topic, offset: drawStart(actor, world) }]
      : [{ topic, partition: random.below(partitionCount), offset: drawStart(actor, world) }],
  )
  if (assignments.length === 0) return false
  await reading.consumer.assign(assignments)
  reading.topics.clear()
  reading.next.clear()
  for (const { topic, partition } of reading.consumer.assignment()) {
    const now = world.topicOf(client.transport, topic)
    if (now !== undefined) reading.topics.set(`${topic}-${partition}`, now)
  }
  return true
}

async function readSome(world: World, client: SimClient, actor: Actor, reading: Reading): Promise<void> {
  const { random } = actor
  const abort = new AbortController()
  const timer = world.env.timers.after(1 + random.below(300), () => abort.abort())
  const until = random.chance(0.3) ? { until: 'end' as const } : {}
  let batchesLeft = 1 + random.below(100)
  try {
    for await (const batch of reading.consumer.batches({ signal: abort.signal, ...until })) {
      const records = readRecordsOf(batch)
      if (random.chance(0.3)) await actor.turn()
      world.lookAround(client)
      check(world, client, reading, batch, records)
      batchesLeft -= 1
      if (batchesLeft === 0 || world.isStopping) return
      if (random.chance(0.1)) await move(world, actor, reading, batch)
    }
  } finally {
    timer.cancel()
    reading.next.clear() // What was read ahead and not handed out comes again.
  }
}

function check(
  world: World,
  { transport }: SimClient,
  reading: Reading,
  batch: ConsumerBatch,
  records: readonly ReadRecord[],
): void {
  const { topic: name, partition } = batch
  const where = `${name}-${partition}`
  const topic = reading.topics.get(where)
  if (topic === undefined) return // It changed hands while it was assigned.
  const first = records[0]
  if (first === undefined) throw new SimFailure(`${where}: a batch without records was handed out`)
  const expected = reading.next.get(where)
  if (expected !== undefined && first.offset !== expected) {
    // The log's start may have passed the reader by.
    const isPassed = first.offset > expected && transport.ends(name, partition).logStartOffset > expected
    if (!isPassed) throw new SimFailure(`${where}: offset ${first.offset} was read after offset ${expected - 1}`)
  }
  records.forEach(({ offset }, index) => {
    if (offset !== first.offset + index) throw new SimFailure(`${where}: offset ${offset} in a batch is out of line`)
  })
  for (const record of records) world.model.read(topic, partition, record)
  reading.next.set(where, records.at(-1)!.offset + 1)
}

async function move(world: World, actor: Actor, { consumer, next }: Reading, batch: ConsumerBatch): Promise<void> {
  const { random } = actor
  const { topic, partition } = batch
  const shape = random.below(4)
  if (shape === 0) {
    next.delete(`${topic}-${partition}`)
    await consumer.seek(topic, partition, drawStart(actor, world))
  } else if (shape === 1) {
    consumer.pause([{ topic, partition }])
  } else if (shape === 2) {
    consumer.resume()
  } else {
    await actor.sleep(random.below(30))
  }
}
