/**
 * What producers do in the simulation: they send and append, wait for acknowledgements or not, flush, and come again.
 */
import type { ErrorCode } from '../../src/base/errors.ts'
import type { Producer } from '../../src/client/producer.ts'
import type { CompressionName } from '../../src/record/compression/codec.ts'
import type { Ack, SentRecord } from './model.ts'
import type { SimClient } from './sim-process.ts'
import type { Actor, World } from './world.ts'

const SEND_ERRORS: readonly ErrorCode[] = [
  'UNKNOWN_TOPIC_OR_PARTITION', // It was deleted.
  'RECORD_LIST_TOO_LARGE', // A batch over segment.bytes.
  'MESSAGE_TOO_LARGE',
  'INVALID_TIMESTAMP', // The clock jumped between producer and log.
  'PRODUCER_CLOSED',
]
const PENDING_MAX = 40
const COMPRESSIONS: readonly CompressionName[] = ['none', 'none', 'none', 'gzip', 'snappy', 'lz4', 'zstd']

/** One producer object and what the model must know of it. */
interface Sender {
  readonly number: number
  readonly acks: Ack
  readonly isIdempotent: boolean
  readonly producer: Producer
}

export async function produce(world: World, client: SimClient, actor: Actor): Promise<void> {
  const { random } = actor
  while (!world.isStopping) {
    const sender = makeSender(world, client, actor)
    const rounds = 1 + random.below(60)
    for (let round = 0; round < rounds && !world.isStopping; round++) {
      if (random.chance(0.2)) await actor.sleep(random.below(50))
      else await actor.turn()
      world.lookAround(client)
      const shape = random.below(20)
      if (shape === 0) await flush(world, sender)
      else if (shape < 4) appendSome(world, client, actor, sender)
      else await sendSome(world, client, actor, sender)
    }
    try {
      await world.call(`close of producer ${sender.number}`, sender.producer.close())
    } catch (error) {
      world.expectError(error, 'close of a producer', SEND_ERRORS)
    }
  }
}

function makeSender(world: World, client: SimClient, { random }: Actor): Sender {
  const acks = random.pick<Ack>(['all', 'all', 'all', 1, 1, 0])
  const isIdempotent = random.chance(0.7)
  const number = world.nextProducer++
  const options = {
    acks,
    idempotence: isIdempotent,
    linger: random.pick([0, 0, 1, 5, 100]),
    batchBytes: random.pick([1024, 1024, 4096, 16_384]),
    compression: random.pick(COMPRESSIONS),
  }
  world.scheduler.note(`producer ${number}: ${JSON.stringify(options)}`)
  const onError = (error: unknown): void => void world.expectError(error, 'an append', SEND_ERRORS)
  const producer = client.log.producer({ ...options, ...(random.chance(0.5) ? { onError } : {}) })
  return { number, acks, isIdempotent, producer }
}

async function flush(world: World, { producer, number }: Sender): Promise<void> {
  try {
    await world.call(`flush of producer ${number}`, producer.flush())
  } catch (error) {
    world.expectError(error, 'a flush', SEND_ERRORS)
  }
}

async function sendSome(world: World, client: SimClient, { random }: Actor, sender: Sender): Promise<void> {
  if (world.pending.size > PENDING_MAX) return
  const count = random.pick([1, 1, 2, 5, 12])
  const sent: Promise<void>[] = []
  for (let i = 0; i < count; i++) {
    const record = makeRecord(world, client, random, sender)
    if (record !== undefined) sent.push(send(world, client, sender, record))
  }
  if (random.chance(0.3)) await Promise.all(sent)
}

async function send(world: World, client: SimClient, { producer }: Sender, record: SentRecord): Promise<void> {
  const { topic, key, value, partition, timestamp } = record
  const { name } = topic
  try {
    const sent = producer.send({
      topic: name,
      value: Buffer.from(value),
      key: key === null ? null : Buffer.from(key),
      ...(partition === undefined ? {} : { partition }),
      ...(timestamp === undefined ? {} : { timestamp }),
    })
    const what = `send of record ${record.id} by producer ${record.producer} to ${name}`
    const metadata = await world.call(what, sent)
    if (record.acks === 0) return
    const now = world.topicOf(client.transport, name)
    world.model.acknowledged(record, now, metadata.partition, metadata.offset, metadata.durability)
  } catch (error) {
    world.expectError(error, `send of record ${record.id}`, SEND_ERRORS)
    if (record.outcome === 'pending') world.model.failed(record)
  }
}

function appendSome(world: World, client: SimClient, { random }: Actor, sender: Sender): void {
  const count = random.pick([1, 3, 20])
  for (let i = 0; i < count; i++) {
    const record = makeRecord(world, client, random, sender)
    if (record === undefined) return
    const { topic, key, value, partition, timestamp } = record
    const extras = {
      ...(partition === undefined ? {} : { partition }),
      ...(timestamp === undefined ? {} : { timestamp }),
    }
    try {
      const isTaken = sender.producer.append(
        topic.name,
        Buffer.from(value),
        key === null ? null : Buffer.from(key),
        extras,
      )
      if (!isTaken) {
        world.model.failed(record)
        world.count('append refused for want of memory')
        return
      }
    } catch (error) {
      world.expectError(error, 'an append', SEND_ERRORS)
      world.model.failed(record)
    }
  }
}

function makeRecord(
  world: World,
  { transport }: SimClient,
  random: Actor['random'],
  { number, acks, isIdempotent }: Sender,
): SentRecord | undefined {
  const topics = transport.topics()
  if (topics.length === 0) return undefined
  const info = random.pick(topics)
  const topic = world.topicOf(transport, info.topic)!
  const hasPartition = random.chance(0.4)
  const isTimed = random.chance(0.4)
  return world.model.send(
    {
      topic,
      producer: number,
      acks,
      isIdempotent,
      key: random.chance(0.5) ? `key ${random.below(10)}` : null,
      partition: hasPartition ? random.below(info.partitionCount) : undefined,
      timestamp: isTimed ? world.env.clock.wallMs() - random.below(20_000) : undefined,
    },
    random.below(world.swarm.valueLengthMax),
  )
}
