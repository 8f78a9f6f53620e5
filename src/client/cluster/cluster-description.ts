/**
 * What a cluster says of itself and of its settings, in the words that the embedded log has for the same.
 */
import { VltavaError, UnknownTopicOrPartitionError } from '../../base/errors.ts'
import { errorNamed } from '../../protocol/kafka-errors.ts'
import { metadata } from '../../protocol/messages/03-metadata.ts'
import { describeConfigs } from '../../protocol/messages/32-describe-configs.ts'
import type { ClusterDescription, ConfigDescription, ConfigKind } from '../../protocol/transport.ts'
import type { Brokers } from './brokers.ts'
import { TOPIC_RESOURCE } from './topic-configs.ts'

const BROKER_RESOURCE = 4
const GROUP_RESOURCE = 32
/** As DescribeConfigs numbers them; 6 is a broker's logger, which is not asked for. */
const SOURCES: Readonly<Record<number, ConfigDescription['source']>> = {
  1: 'topic',
  2: 'broker',
  3: 'brokerDefault',
  4: 'static',
  5: 'default',
  7: 'clientMetrics',
  8: 'group',
}

/** Rejects with UnknownTopicOrPartitionError, or another VltavaError of the cluster. */
export async function describeSettings(
  brokers: Brokers,
  kind: ConfigKind,
  name: string,
): Promise<readonly ConfigDescription[]> {
  // A broker tells its own settings only; those of all brokers it tells under no name.
  if (kind === 'broker' && brokers.all().length === 0) await describeBrokers(brokers)
  const broker = kind === 'broker' ? brokers.all()[0] : undefined
  const resource = {
    resourceType: kind === 'topic' ? TOPIC_RESOURCE : kind === 'group' ? GROUP_RESOURCE : BROKER_RESOURCE,
    resourceName: broker === undefined ? name : String(broker.nodeId),
    configurationKeys: null,
  }
  const request = { resources: [resource], includeDocumentation: true }
  const { results } = await (broker === undefined
    ? brokers.askAny(describeConfigs, request)
    : brokers.ask(broker, describeConfigs, request))
  const [result] = results
  if (result === undefined) throw new VltavaError('UNKNOWN_SERVER_ERROR', `no settings of ${kind} ${name} were told`)
  const { errorCode, errorMessage, configs } = result
  if (errorCode !== 0) {
    const code = errorNamed(errorCode)
    if (code === 'UNKNOWN_TOPIC_OR_PARTITION')
      throw new UnknownTopicOrPartitionError(name, undefined, `topic=${name} does not exist`)
    throw new VltavaError(code, `settings of ${kind} ${name}: ${errorMessage ?? `the cluster answers ${code}`}`)
  }
  return configs.map(({ name: setting, value, readOnly, configSource, isSensitive, documentation }) => ({
    name: setting,
    value,
    source: SOURCES[configSource] ?? 'default',
    isReadOnly: readOnly,
    isSensitive,
    documentation: documentation ?? '',
  }))
}

export async function describeBrokers(brokers: Brokers): Promise<ClusterDescription> {
  const answer = await brokers.askAny(metadata, { topics: [], allowAutoTopicCreation: false })
  brokers.update(answer.brokers)
  return {
    clusterId: answer.clusterId ?? '',
    controllerId: answer.controllerId,
    brokers: answer.brokers.map(({ nodeId, host, port }) => ({ nodeId, host, port })),
  }
}
