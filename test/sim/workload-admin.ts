/** What an administrator does in the simulation: creates, deletes, alters, adds partitions, trims, looks things up. */
import type { ErrorCode } from '../../src/base/errors.ts'
import type { ModelTopic } from './model-topic.ts'
import { SimFailure } from './scheduler.ts'
import type { SimClient } from './sim-process.ts'
import type { Actor, World } from './world.ts'

const NAMES = ['t0', 't1', 't2', 't3'] as const

export async function administer(world: World, client: SimClient, actor: Actor): Promise<void> {
  const { random } = actor
  while (!world.isStopping) {
    await actor.sleep(random.below(world.swarm.adminMs))
    world.lookAround(client)
    const shape = random.below(20)
    if (client.transport.topics().length < 2 || shape < 3) await create(world, client, actor)
    else if (shape < 4) await remove(world, client, actor)
    else if (shape < 6) await addPartitions(world, client, actor)
    else if (shape < 8) await alter(world, client, actor)
    else if (shape < 13) await trim(world, client, actor)
    else await lookUp(world, client, actor)
  }
}

function drawConfigs({ random }: Actor, { swarm }: World): Record<string, string> {
  const configs: Record<string, string> = {
    'internal.segment.bytes': String(swarm.segmentBytes),
    'index.interval.bytes': String(swarm.indexIntervalBytes),
    'segment.index.bytes': String(swarm.segmentIndexBytes),
    'retention.ms': random.chance(0.8) ? '-1' : random.pick(['500', '10000', '3600000']),
    'file.delete.delay.ms': random.pick(['0', '10', '1000', '60000']),
  }
  if (random.chance(0.15)) configs['retention.bytes'] = String(random.pick([0, 500, 5_000]))
  if (random.chance(0.2)) configs['flush.messages'] = String(random.pick([1, 10]))
  if (random.chance(0.2)) configs['flush.ms'] = String(random.pick([1, 1_000]))
  if (random.chance(0.15)) configs['message.timestamp.type'] = 'LogAppendTime'
  if (random.chance(0.1)) configs['compression.type'] = random.pick(['lz4', 'uncompressed'])
  if (random.chance(0.2)) configs['segment.ms'] = String(random.pick([1, 100, 5_000]))
  if (random.chance(0.2)) configs['segment.jitter.ms'] = '50'
  return configs
}

export async function create(world: World, client: SimClient, actor: Actor): Promise<boolean> {
  const { random } = actor
  const topic = random.pick(NAMES)
  const partitions = 1 + random.below(world.swarm.partitionsMax)
  const configs = drawConfigs(actor, world)
  try {
    await world.call(`creation of ${topic}`, client.log.admin.createTopics([{ topic, partitions, configs }]))
  } catch (error) {
    world.expectError(error, `creation of ${topic}`, ['TOPIC_ALREADY_EXISTS'])
    return false
  }
  world.scheduler.note(`created ${topic}: ${JSON.stringify(configs)}`)
  const made = world.topicOf(client.transport, topic)
  if (made === undefined) throw new SimFailure(`${topic} was created, and the client does not know it`)
  if (made.partitions.length !== partitions) throw new SimFailure(`${topic} has another number of partitions`)
  made.existence = 'yes'
  return true
}

function pickTopic(world: World, { transport }: SimClient, { random }: Actor): ModelTopic | undefined {
  const topics = transport.topics()
  return topics.length === 0 ? undefined : world.topicOf(transport, random.pick(topics).topic)
}

async function remove(world: World, client: SimClient, actor: Actor): Promise<void> {
  const topic = pickTopic(world, client, actor)
  if (topic === undefined) return
  const { name } = topic
  topic.existence = 'maybe'
  try {
    await world.call(`deletion of ${name}`, client.log.admin.deleteTopics([name]))
  } catch (error) {
    world.expectError(error, `deletion of ${name}`, ['UNKNOWN_TOPIC_OR_PARTITION'])
    return
  }
  topic.existence = 'no'
  world.scheduler.note(`deleted ${name}`)
  if (world.topicOf(client.transport, name) === topic) throw new SimFailure(`${name} is known after its deletion`)
}

async function addPartitions(world: World, client: SimClient, actor: Actor): Promise<void> {
  const topic = pickTopic(world, client, actor)
  if (topic === undefined) return
  const { name } = topic
  const count = topic.partitions.length + 1
  if (count > 8) return
  try {
    await world.call(`partitions for ${name}`, client.log.admin.createPartitions(name, count))
  } catch (error) {
    const allowed: ErrorCode[] = ['UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_PARTITIONS']
    world.expectError(error, `partitions for ${name}`, allowed)
    return
  }
  const info = client.transport.topic(name)
  if (info?.topicId === topic.id && info.partitionCount < count) {
    throw new SimFailure(`${name} has ${info.partitionCount} partitions after it was given ${count}`)
  }
  topic.partition(count - 1)
}

async function alter(world: World, client: SimClient, actor: Actor): Promise<void> {
  const topic = pickTopic(world, client, actor)
  if (topic === undefined) return
  const { name } = topic
  const drawn = drawConfigs(actor, world)
  const setting = actor.random.pick(Object.keys(drawn).filter((key) => key !== 'message.timestamp.type'))
  const value = drawn[setting]!
  topic.mayHave(setting, value)
  try {
    await world.call(`settings of ${name}`, client.log.admin.alterConfigs(name, { [setting]: value }))
  } catch (error) {
    world.expectError(error, `settings of ${name}`, ['UNKNOWN_TOPIC_OR_PARTITION'])
    return
  }
  topic.has(setting, value)
  world.scheduler.note(`set ${name} ${setting}=${value}`)
}

async function trim(world: World, client: SimClient, actor: Actor): Promise<void> {
  const topic = pickTopic(world, client, actor)
  if (topic === undefined) return
  const { name } = topic
  const index = actor.random.below(topic.partitions.length)
  if (client.transport.topic(name)!.partitionCount <= index) return
  const known = topic.partition(index)
  const { logStartOffset, highWatermark } = client.transport.ends(name, index)
  const offset = actor.random.chance(0.2)
    ? -1
    : logStartOffset + actor.random.below(Math.ceil((highWatermark - logStartOffset) / 2) + 2)
  // Whatever has been written by then may go.
  known.mayBeTrimmed = offset === -1 ? Infinity : Math.max(known.mayBeTrimmed, offset)
  try {
    const start = await world.call(`trim of ${name}-${index}`, client.log.admin.trim(name, index, offset))
    if (start < offset) throw new SimFailure(`${name}-${index} starts at ${start} after a trim to ${offset}`)
    known.trimmed = Math.max(known.trimmed, start)
    if (offset === -1) known.mayBeTrimmed = Math.max(known.trimmed, start)
    world.scheduler.note(`trimmed ${name}-${index} to ${start}`)
  } catch (error) {
    if (error instanceof SimFailure) throw error
    world.expectError(error, `trim of ${name}-${index}`, ['UNKNOWN_TOPIC_OR_PARTITION', 'OFFSET_OUT_OF_RANGE'])
  }
}

async function lookUp(world: World, client: SimClient, actor: Actor): Promise<void> {
  const topic = pickTopic(world, client, actor)
  if (topic === undefined) return
  const { name } = topic
  const partition = actor.random.below(client.transport.topic(name)!.partitionCount)
  const timestamp = world.env.clock.wallMs() - actor.random.below(10_000)
  const spec = actor.random.pick(['start', 'end', 'max-timestamp', { timestamp }] as const)
  try {
    await world.call(`lookup in ${name}`, client.log.admin.offset(name, partition, spec))
  } catch (error) {
    world.expectError(error, `lookup in ${name}`, ['UNKNOWN_TOPIC_OR_PARTITION'])
  }
}
