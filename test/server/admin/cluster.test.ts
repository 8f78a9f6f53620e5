/** What one node says of itself as a cluster. Expected codes are those of Apache Kafka 4.3.1. */
import { describe, expect, it } from 'vitest'
import { createTopics } from '../../../src/protocol/messages/19-create-topics.ts'
import { alterReplicaLogDirs } from '../../../src/protocol/messages/34-alter-replica-log-dirs.ts'
import { electLeaders } from '../../../src/protocol/messages/43-elect-leaders.ts'
import { alterPartitionReassignments } from '../../../src/protocol/messages/45-alter-partition-reassignments.ts'
import { listPartitionReassignments } from '../../../src/protocol/messages/46-list-partition-reassignments.ts'
import { describeQuorum } from '../../../src/protocol/messages/55-describe-quorum.ts'
import { updateFeatures } from '../../../src/protocol/messages/57-update-features.ts'
import { describeCluster } from '../../../src/protocol/messages/60-describe-cluster.ts'
import { unregisterBroker } from '../../../src/protocol/messages/64-unregister-broker.ts'
import { startBroker, type TestBroker } from './broker.ts'

async function startWithTopic(): Promise<TestBroker> {
  const broker = await startBroker()
  const topics = [{ name: 't', numPartitions: 1, replicationFactor: 1 }]
  await broker.call(createTopics, 7, { topics, timeoutMs: 1000, validateOnly: false })
  return broker
}

describe('a cluster of one', () => {
  it('is one broker, which is the controller', async () => {
    const broker = await startBroker()
    const cluster = await broker.call(describeCluster, 2, { includeClusterAuthorizedOperations: true })
    expect(cluster).toMatchObject({ errorCode: 0, clusterId: 'test-cluster', controllerId: 1 })
    expect(cluster.brokers).toEqual([{ brokerId: 1, host: '127.0.0.1', port: 9092, rack: null, isFenced: false }])
    expect(cluster.clusterAuthorizedOperations).toBe(8096)
    expect((await broker.call(describeCluster, 1, { endpointType: 2 })).errorCode).toBe(114)
    expect((await broker.call(describeCluster, 1, { endpointType: 3 })).errorCode).toBe(115)
  })

  it('elects nobody else', async () => {
    const broker = await startWithTopic()
    const elect = async (electionType: number, topic: string, partition: number): Promise<number> => {
      const topicPartitions = [{ topic, partitions: [partition] }]
      const answer = await broker.call(electLeaders, 2, { electionType, topicPartitions })
      return answer.replicaElectionResults[0]!.partitionResult[0]!.errorCode
    }
    expect(await elect(0, 't', 0)).toBe(84)
    expect(await elect(1, 't', 0)).toBe(84)
    expect(await elect(0, 't', 1)).toBe(3)
    expect(await elect(0, 'none', 0)).toBe(3)
    expect(await elect(5, 't', 0)).toBe(42)
    const all = await broker.call(electLeaders, 2, { electionType: 0, topicPartitions: null })
    expect(all.replicaElectionResults).toEqual([{ topic: 't', partitionResult: [] }])
  })

  it('moves no partition', async () => {
    const broker = await startWithTopic()
    const assign = async (partitionIndex: number, replicas: number[] | null): Promise<number> => {
      const topics = [{ name: 't', partitions: [{ partitionIndex, replicas }] }]
      const answer = await broker.call(alterPartitionReassignments, 1, { topics })
      return answer.responses[0]!.partitions[0]!.errorCode
    }
    expect(await assign(0, [1])).toBe(0)
    expect(await assign(0, [9])).toBe(39)
    expect(await assign(0, [1, 1])).toBe(39)
    expect(await assign(0, [])).toBe(39)
    expect(await assign(0, null)).toBe(85)
    expect(await assign(7, [1])).toBe(3)
    expect((await broker.call(listPartitionReassignments, 0, { topics: null })).topics).toEqual([])
    const dirs = [
      { path: broker.dir, topics: [{ name: 't', partitions: [0, 9] }] },
      { path: '/elsewhere', topics: [{ name: 'u', partitions: [0] }] },
    ]
    const { results } = await broker.call(alterReplicaLogDirs, 2, { dirs })
    const codes = results.map((one) => [one.topicName, one.partitions.map(({ errorCode }) => errorCode)])
    expect(codes).toEqual([
      ['t', [0, 3]],
      ['u', [57]],
    ])
  })

  it('has a quorum of one voter, no other brokers, and features as they are', async () => {
    const broker = await startBroker()
    const ask = async (topicName: string, partitionIndex: number) => {
      const answer = await broker.call(describeQuorum, 2, { topics: [{ topicName, partitions: [{ partitionIndex }] }] })
      return answer.topics[0]!.partitions[0]!
    }
    const quorum = await ask('__cluster_metadata', 0)
    expect(quorum).toMatchObject({ errorCode: 0, leaderId: 1, observers: [] })
    expect(quorum.currentVoters.map(({ replicaId }) => replicaId)).toEqual([1])
    expect((await ask('__cluster_metadata', 1)).errorCode).toBe(3)
    expect((await ask('t', 0)).errorCode).toBe(3)
    expect((await broker.call(unregisterBroker, 0, { brokerId: 9 })).errorCode).toBe(102)
    const update = async (feature: string, maxVersionLevel: number): Promise<number> => {
      const featureUpdates = [{ feature, maxVersionLevel, upgradeType: 1 }]
      return (await broker.call(updateFeatures, 2, { featureUpdates, validateOnly: true })).errorCode
    }
    expect(await update('group.version', 1)).toBe(0)
    expect(await update('group.version', 9)).toBe(95)
    expect(await update('nope', 1)).toBe(95)
  })
})
