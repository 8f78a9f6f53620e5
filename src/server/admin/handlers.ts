/** ADMIN_HANDLERS: the APIs of metadata and administration, by API key. */
import { metadata } from '../../protocol/messages/03-metadata.ts'
import { createTopics } from '../../protocol/messages/19-create-topics.ts'
import { deleteTopics } from '../../protocol/messages/20-delete-topics.ts'
import { deleteRecords } from '../../protocol/messages/21-delete-records.ts'
import { offsetForLeaderEpoch } from '../../protocol/messages/23-offset-for-leader-epoch.ts'
import { describeConfigs } from '../../protocol/messages/32-describe-configs.ts'
import { alterConfigs } from '../../protocol/messages/33-alter-configs.ts'
import { alterReplicaLogDirs } from '../../protocol/messages/34-alter-replica-log-dirs.ts'
import { describeLogDirs } from '../../protocol/messages/35-describe-log-dirs.ts'
import { createPartitions } from '../../protocol/messages/37-create-partitions.ts'
import { electLeaders } from '../../protocol/messages/43-elect-leaders.ts'
import { incrementalAlterConfigs } from '../../protocol/messages/44-incremental-alter-configs.ts'
import { alterPartitionReassignments } from '../../protocol/messages/45-alter-partition-reassignments.ts'
import { listPartitionReassignments } from '../../protocol/messages/46-list-partition-reassignments.ts'
import { describeClientQuotas } from '../../protocol/messages/48-describe-client-quotas.ts'
import { alterClientQuotas } from '../../protocol/messages/49-alter-client-quotas.ts'
import { describeQuorum } from '../../protocol/messages/55-describe-quorum.ts'
import { updateFeatures } from '../../protocol/messages/57-update-features.ts'
import { describeCluster } from '../../protocol/messages/60-describe-cluster.ts'
import { describeProducers } from '../../protocol/messages/61-describe-producers.ts'
import { unregisterBroker } from '../../protocol/messages/64-unregister-broker.ts'
import { listConfigResources } from '../../protocol/messages/74-list-config-resources.ts'
import { describeTopicPartitions } from '../../protocol/messages/75-describe-topic-partitions.ts'
import type { Api } from '../../protocol/wire/api.ts'
import type { Handler } from '../handler.ts'
import { handleMetadata } from './03-metadata.ts'
import { handleCreateTopics } from './19-create-topics.ts'
import { handleDeleteTopics } from './20-delete-topics.ts'
import { handleDeleteRecords } from './21-delete-records.ts'
import { handleOffsetForLeaderEpoch } from './23-offset-for-leader-epoch.ts'
import { handleDescribeConfigs } from './32-describe-configs.ts'
import { handleAlterReplicaLogDirs, handleDescribeLogDirs } from './35-describe-log-dirs.ts'
import { handleCreatePartitions } from './37-create-partitions.ts'
import {
  handleAlterPartitionReassignments,
  handleElectLeaders,
  handleListPartitionReassignments,
} from './43-replicas.ts'
import { handleAlterConfigs, handleIncrementalAlterConfigs } from './44-incremental-alter-configs.ts'
import { handleDescribeClientQuotas } from './48-describe-client-quotas.ts'
import { handleAlterClientQuotas } from './49-alter-client-quotas.ts'
import { handleDescribeQuorum } from './55-describe-quorum.ts'
import { handleUpdateFeatures } from './57-update-features.ts'
import { handleDescribeCluster } from './60-describe-cluster.ts'
import { handleDescribeProducers } from './61-describe-producers.ts'
import { handleUnregisterBroker } from './64-unregister-broker.ts'
import { handleListConfigResources } from './74-list-config-resources.ts'
import { handleDescribeTopicPartitions } from './75-describe-topic-partitions.ts'

/** Whoever takes a handler out passes it what its API decodes to. */
function entry<A extends Api>(api: A, handler: Handler<A>): [number, Handler<Api>] {
  return [api.key, handler]
}

export const ADMIN_HANDLERS: ReadonlyMap<number, Handler<Api>> = new Map([
  entry(metadata, handleMetadata),
  entry(createTopics, handleCreateTopics),
  entry(deleteTopics, handleDeleteTopics),
  entry(deleteRecords, handleDeleteRecords),
  entry(offsetForLeaderEpoch, handleOffsetForLeaderEpoch),
  entry(describeConfigs, handleDescribeConfigs),
  entry(alterConfigs, handleAlterConfigs),
  entry(alterReplicaLogDirs, handleAlterReplicaLogDirs),
  entry(describeLogDirs, handleDescribeLogDirs),
  entry(createPartitions, handleCreatePartitions),
  entry(electLeaders, handleElectLeaders),
  entry(incrementalAlterConfigs, handleIncrementalAlterConfigs),
  entry(alterPartitionReassignments, handleAlterPartitionReassignments),
  entry(listPartitionReassignments, handleListPartitionReassignments),
  entry(describeClientQuotas, handleDescribeClientQuotas),
  entry(alterClientQuotas, handleAlterClientQuotas),
  entry(describeQuorum, handleDescribeQuorum),
  entry(updateFeatures, handleUpdateFeatures),
  entry(describeCluster, handleDescribeCluster),
  entry(describeProducers, handleDescribeProducers),
  entry(unregisterBroker, handleUnregisterBroker),
  entry(listConfigResources, handleListConfigResources),
  entry(describeTopicPartitions, handleDescribeTopicPartitions),
])
