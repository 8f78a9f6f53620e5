/**
 * The topic that a command names: there, or an error that says what to do.
 */
import { type Log, type TopicDescription, UnknownTopicOrPartitionError } from '../index.ts'
import { nearest } from './nearest.ts'
import { type LogPlace, placeOption } from './open-log.ts'

/** Rejects with UnknownTopicOrPartitionError whose message names the command that makes the topic. */
export async function describeKnownTopic(log: Log, topic: string, place: LogPlace): Promise<TopicDescription> {
  const names = await log.admin.listTopics()
  if (names.includes(topic)) return (await log.admin.describeTopics([topic]))[0]!
  const close = nearest(topic, names)
  const fix = `make it with: vltava topic create ${topic} --partitions 1 ${placeOption(place)}`
  const hint = close === undefined ? fix : `did you mean ${close}? Or ${fix}`
  throw new UnknownTopicOrPartitionError(topic, undefined, `topic=${topic} does not exist; ${hint}`)
}

/** Throws UnknownTopicOrPartitionError if the topic has no such partition. */
export function checkPartition({ topic, partitions }: TopicDescription, partition: number | undefined): void {
  if (partition === undefined || partition < partitions.length) return
  const message = `topic=${topic} has partitions 0 .. ${partitions.length - 1}, there is no partition=${partition}`
  throw new UnknownTopicOrPartitionError(topic, partition, message)
}
