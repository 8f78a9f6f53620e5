/**
 * What a topic, or more partitions of one, may be like, in the order in which Kafka looks (one node, so one replica).
 *
 * Throws VltavaError; see the codes below.
 */
import { VltavaError } from '../base/errors.ts'
import { checkTopicConfigs } from '../log/topic-config.ts'
import { PARTITION_COUNT_MAX } from '../log/topic-store.ts'
import type { GrownTopicSpec, NewTopicSpec } from '../protocol/admin-link.ts'
import { collidingTopicName, validateTopicName } from '../segment/names.ts'
import { brokerValue } from '../settings/describe.ts'
import type { Overrides, Values } from '../settings/overrides.ts'

/** The name of the controller's own log. */
const METADATA_TOPIC = '__cluster_metadata'

/**
 * INVALID_TOPIC_EXCEPTION for a name that is none or too like another's, INVALID_REQUEST for the controller's,
 * TOPIC_ALREADY_EXISTS.
 */
export function checkTopicName(topic: string, names: ReadonlySet<string>): void {
  validateTopicName(topic)
  if (topic === METADATA_TOPIC) throw new VltavaError('INVALID_REQUEST', `topic=${topic} is the controller's own`)
  if (names.has(topic)) throw new VltavaError('TOPIC_ALREADY_EXISTS', `topic=${topic} exists already`)
  const twin = collidingTopicName(topic, names)
  if (twin === undefined) return
  const message = `topic=${topic} differs from topic=${twin} only in '.' and '_', which metrics cannot tell apart`
  throw new VltavaError('INVALID_TOPIC_EXCEPTION', message)
}

export function checkPartitionCount(topic: string, count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= PARTITION_COUNT_MAX) return
  const message = `topic=${topic}: partitions=${count} is not a whole number in 1 .. ${PARTITION_COUNT_MAX}`
  throw new VltavaError('INVALID_PARTITIONS', message)
}

/**
 * The number of partitions that the topic gets. As checkTopicName(), then INVALID_CONFIG, then INVALID_REQUEST for
 * assignments beside counts, INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR, INVALID_PARTITIONS.
 */
export function checkNewTopic(
  spec: NewTopicSpec,
  names: ReadonlySet<string>,
  nodeId: number,
  overrides: Overrides,
  defaults: Values,
): number {
  const { topic, assignments, partitions, replicationFactor } = spec
  checkTopicName(topic, names)
  checkTopicConfigs(topic, spec.configs, defaults)
  if (assignments.length > 0) {
    if (replicationFactor !== -1) throw new VltavaError('INVALID_REQUEST', beside(topic, { replicationFactor }))
    if (partitions !== -1) throw new VltavaError('INVALID_REQUEST', beside(topic, { partitions }))
    checkAssignments(topic, assignments, nodeId)
    return assignments.length
  }
  if (replicationFactor === 0 || replicationFactor < -1) {
    const message = `topic=${topic}: replicationFactor=${replicationFactor} is not 1, nor -1 for the broker's default`
    throw new VltavaError('INVALID_REPLICATION_FACTOR', message)
  }
  if (partitions === 0 || partitions < -1) checkPartitionCount(topic, partitions)
  const replicas = replicationFactor === -1 ? setNumber(overrides, 'default.replication.factor') : replicationFactor
  if (replicas > 1) {
    const message = `topic=${topic}: replicationFactor=${replicas}, but there is one broker`
    throw new VltavaError('INVALID_REPLICATION_FACTOR', message)
  }
  const count = partitions === -1 ? setNumber(overrides, 'num.partitions') : partitions
  checkPartitionCount(topic, count)
  return count
}

function setNumber(overrides: Overrides, name: string): number {
  return Number(brokerValue(overrides, name))
}

function beside(topic: string, count: Readonly<Record<string, number>>): string {
  const [[name, value] = ['', 0]] = Object.entries(count)
  return `topic=${topic}: ${name}=${value} beside assignments, which say it already; give -1`
}

function checkAssignments(topic: string, assignments: NewTopicSpec['assignments'], nodeId: number): void {
  const seen = new Set<number>()
  for (const { partitionIndex, brokerIds } of assignments) {
    if (seen.has(partitionIndex)) throw badAssignment(topic, `partition=${partitionIndex} is assigned twice`)
    seen.add(partitionIndex)
    checkReplicas(topic, brokerIds, nodeId)
  }
  for (let index = 0; index < assignments.length; index++) {
    if (!seen.has(index)) throw badAssignment(topic, `partition=${index} is not assigned, but a later one is`)
  }
}

function checkReplicas(topic: string, brokerIds: readonly number[], nodeId: number): void {
  if (brokerIds.length === 0) throw badAssignment(topic, 'a partition is assigned to no broker')
  for (const brokerId of brokerIds) {
    if (brokerId !== nodeId) throw badAssignment(topic, `there is no broker=${brokerId}`)
  }
  if (brokerIds.length > 1) throw badAssignment(topic, `a partition is assigned to broker=${nodeId} twice`)
}

function badAssignment(topic: string, fault: string): VltavaError {
  return new VltavaError('INVALID_REPLICA_ASSIGNMENT', `topic=${topic}: ${fault}`)
}

/** INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT. */
export function checkGrowth({ topic, count, assignments }: GrownTopicSpec, present: number, nodeId: number): void {
  if (count <= present) {
    const message = `topic=${topic} has partitions=${present}; the new count must be greater than that, not ${count}`
    throw new VltavaError('INVALID_PARTITIONS', message)
  }
  checkPartitionCount(topic, count)
  if (assignments === null) return
  if (assignments.length !== count - present) {
    const fault = `${count - present} partitions are new, but ${assignments.length} are assigned`
    throw badAssignment(topic, fault)
  }
  for (const { brokerIds } of assignments) checkReplicas(topic, brokerIds, nodeId)
}
