/** ADMIN_HANDLERS: the APIs of metadata and administration, by API key. */
import { metadata } from '../../protocol/messages/03-metadata.ts'
import { createTopics } from '../../protocol/messages/19-create-topics.ts'
import { deleteTopics } from '../../protocol/messages/20-delete-topics.ts'
import { deleteRecords } from '../../protocol/messages/21-delete-records.ts'
import { describeConfigs } from '../../protocol/messages/32-describe-configs.ts'
import { alterConfigs } from '../../protocol/messages/33-alter-configs.ts'
import { createPartitions } from '../../protocol/messages/37-create-partitions.ts'
import { incrementalAlterConfigs } from '../../protocol/messages/44-incremental-alter-configs.ts'
import { describeCluster } from '../../protocol/messages/60-describe-cluster.ts'
import { describeTopicPartitions } from '../../protocol/messages/75-describe-topic-partitions.ts'
import type { Api } from '../../protocol/wire/api.ts'
import type { Handler } from '../handler.ts'
import { handleMetadata } from './03-metadata.ts'
import { handleCreateTopics } from './19-create-topics.ts'
import { handleDeleteTopics } from './20-delete-topics.ts'
import { handleDeleteRecords } from './21-delete-records.ts'
import { handleDescribeConfigs } from './32-describe-configs.ts'
import { handleCreatePartitions } from './37-create-partitions.ts'
import { handleAlterConfigs, handleIncrementalAlterConfigs } from './44-incremental-alter-configs.ts'
import { handleDescribeCluster } from './60-describe-cluster.ts'
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
  entry(describeConfigs, handleDescribeConfigs),
  entry(alterConfigs, handleAlterConfigs),
  entry(createPartitions, handleCreatePartitions),
  entry(incrementalAlterConfigs, handleIncrementalAlterConfigs),
  entry(describeCluster, handleDescribeCluster),
  entry(describeTopicPartitions, handleDescribeTopicPartitions),
])
