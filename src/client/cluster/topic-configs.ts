/**
 * Settings of topics as DescribeConfigs tells them, and the TopicInfo that producers and consumers see.
 */
import { kafkaError } from '../../protocol/kafka-errors.ts'
import { describeConfigs } from '../../protocol/messages/32-describe-configs.ts'
import type { TopicInfo } from '../../protocol/transport.ts'
import type { Brokers } from './brokers.ts'

export interface TopicConfigs {
  /** Those that differ from the default, by name. */
  readonly own: Readonly<Record<string, string>>
  readonly maxMessageBytes: number
  readonly compressionType: string
  readonly isCompacted: boolean
}

export const TOPIC_RESOURCE = 2
/** Set for this topic, not for the broker or by default. */
const DYNAMIC_TOPIC_CONFIG = 1
/** Kafka's defaults: what counts where the cluster will not tell. */
const DEFAULTS: TopicConfigs = {
  own: {},
  maxMessageBytes: 1_048_588,
  compressionType: 'producer',
  isCompacted: false,
}
const TOPICS_PER_REQUEST = 200
const UNKNOWN_TOPIC = kafkaError('UNKNOWN_TOPIC_OR_PARTITION')

/**
 * A topic whose settings the cluster will not tell has Kafka's defaults here; one that the broker does not know (yet)
 * is left out. Rejects with BROKER_UNAVAILABLE.
 */
export async function describeTopicConfigs(
  brokers: Brokers,
  topics: readonly string[],
): Promise<Map<string, TopicConfigs>> {
  const found = new Map<string, TopicConfigs>()
  for (let i = 0; i < topics.length; i += TOPICS_PER_REQUEST) {
    const resources = topics
      .slice(i, i + TOPICS_PER_REQUEST)
      .map((resourceName) => ({ resourceType: TOPIC_RESOURCE, resourceName, configurationKeys: null }))
    const { results } = await brokers.askAny(describeConfigs, { resources })
    for (const { resourceName, errorCode, configs } of results) {
      if (errorCode === UNKNOWN_TOPIC) continue
      found.set(resourceName, errorCode === 0 ? parseConfigs(configs) : DEFAULTS)
    }
  }
  return found
}

function parseConfigs(
  configs: readonly { readonly name: string; readonly value: string | null; readonly configSource: number }[],
): TopicConfigs {
  const values = new Map(configs.map(({ name, value }) => [name, value ?? '']))
  const own: Record<string, string> = {}
  for (const { name, value, configSource } of configs) {
    if (configSource === DYNAMIC_TOPIC_CONFIG) own[name] = value ?? ''
  }
  const maxMessageBytes = Number(values.get('max.message.bytes'))
  return {
    own,
    maxMessageBytes: maxMessageBytes > 0 ? maxMessageBytes : DEFAULTS.maxMessageBytes,
    compressionType: producerCodec(values.get('compression.type') ?? DEFAULTS.compressionType),
    isCompacted: (values.get('cleanup.policy') ?? '').split(',').includes('compact'),
  }
}

/** 'uncompressed' is Kafka's word for a topic that stores its batches without a codec. */
function producerCodec(compressionType: string): string {
  return compressionType === 'uncompressed' ? 'none' : compressionType
}

export function topicInfo(
  topic: string,
  topicId: string,
  partitionCount: number,
  configs: TopicConfigs = DEFAULTS,
): TopicInfo {
  const { own, maxMessageBytes, compressionType, isCompacted } = configs
  return { topic, topicId, partitionCount, configs: own, maxMessageBytes, compressionType, isCompacted }
}

export function sameInfo(one: TopicInfo, other: TopicInfo): boolean {
  return (
    one.topicId === other.topicId &&
    one.partitionCount === other.partitionCount &&
    one.maxMessageBytes === other.maxMessageBytes &&
    one.compressionType === other.compressionType &&
    one.isCompacted === other.isCompacted &&
    JSON.stringify(one.configs) === JSON.stringify(other.configs)
  )
}
