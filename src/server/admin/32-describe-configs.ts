/**
 * DescribeConfigs: settings of topics, of this broker, of all brokers (''), of groups and of client metrics.
 *
 *   1        synonyms, and where a value comes from (KIP-226)
 *   3        types and documentation (KIP-569)
 *
 * Without keys, or with none in the list, all are meant; keys that do not exist are left out of the answer.
 */
import { assert } from '../../base/assert.ts'
import type { describeConfigs } from '../../protocol/messages/32-describe-configs.ts'
import type { RequestOf, ResponseOf } from '../../protocol/wire/api.ts'
import {
  describeBrokerDefaults,
  describeBrokerSettings,
  describeClientMetrics,
  type DescribedSetting,
  describeGroupSettings,
  describeTopicSettings,
} from '../../settings/describe.ts'
import type { Overrides } from '../../settings/overrides.ts'
import type { Handler, RequestContext } from '../handler.ts'
import { type Outcome, refusal } from './outcome.ts'
import { type Resource, resourceOf } from './resources.ts'

type Request = RequestOf<typeof describeConfigs>
type Result = ResponseOf<typeof describeConfigs>['results'][number]

const OK: Outcome = { errorCode: 0, errorMessage: '' }

export const handleDescribeConfigs: Handler<typeof describeConfigs> = (request, context) => {
  const results = request.resources.map((resource): Result => {
    const { resourceType, resourceName, configurationKeys: keys } = resource
    const settings = settingsOf(resourceOf(resourceType, resourceName, context.broker.nodeId), context)
    if ('errorCode' in settings) return { ...settings, resourceType, resourceName, configs: [] }
    const isWanted = keys === null || keys.length === 0 ? (): boolean => true : (name: string) => keys.includes(name)
    const configs = settings.filter(({ name }) => isWanted(name)).map((setting) => shown(setting, request))
    return { ...OK, resourceType, resourceName, configs }
  })
  return { throttleTimeMs: 0, results }
}

function settingsOf(resource: Resource | Outcome, context: RequestContext): DescribedSetting[] | Outcome {
  if ('errorCode' in resource) return resource
  const { admin, transport } = context
  const { kind, name } = resource
  switch (kind) {
    case 'topic': {
      const info = transport.topic(name)
      if (info === undefined) return refusal('UNKNOWN_TOPIC_OR_PARTITION', '')
      return describeTopicSettings(info.configs, admin.overrides)
    }
    case 'broker':
      return describeBrokerSettings(asStarted(context))
    case 'brokerDefault':
      return describeBrokerDefaults(admin.overrides)
    case 'group':
      return describeGroupSettings(name, admin.overrides)
    case 'clientMetrics':
      return describeClientMetrics(name, admin.overrides)
    case 'brokerLogger':
      return [] // No logger has a level here.
  }
}

/** With what the broker is and was not told. */
function asStarted({ admin, broker }: RequestContext): Overrides {
  const { overrides } = admin
  assert(Number.isInteger(broker.nodeId), 'a broker has an id')
  const address = `PLAINTEXT://${broker.host}:${broker.port}`
  return {
    ...overrides,
    static: {
      listeners: address,
      'advertised.listeners': address,
      'process.roles': 'broker,controller',
      ...overrides.static,
      'node.id': String(broker.nodeId),
      'broker.id': String(broker.nodeId),
      'log.dirs': admin.directory,
      ...(broker.rack === null ? {} : { 'broker.rack': broker.rack }),
    },
  }
}

function shown(
  setting: DescribedSetting,
  { includeSynonyms, includeDocumentation }: Request,
): Result['configs'][number] {
  const { name, value, source, isReadOnly, isSensitive, synonyms, typeCode, documentation } = setting
  return {
    name,
    value,
    readOnly: isReadOnly,
    configSource: source,
    isSensitive,
    synonyms: includeSynonyms ? synonyms.map((synonym) => ({ ...synonym })) : [],
    configType: typeCode,
    documentation: includeDocumentation ? documentation : null,
  }
}
