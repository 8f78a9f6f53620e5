/**
 * CreateTopics: each topic by itself; one that cannot be made does not hold up the others.
 *
 *   2        partitions and replicas may be -1 where an assignment, or the broker's default, says how many
 *   5        the settings that the topic has now (KIP-525)
 *   7        its id
 */
import type { CreatedTopic } from '../../protocol/admin-link.ts'
import type { createTopics } from '../../protocol/messages/19-create-topics.ts'
import type { RequestOf, ResponseOf } from '../../protocol/wire/api.ts'
import { describeTopicSettings } from '../../settings/describe.ts'
import type { Overrides, Values } from '../../settings/overrides.ts'
import type { Handler, RequestContext } from '../handler.ts'
import { duplicatesIn, type Outcome, outcomeOf, refusal, SUCCESS } from './outcome.ts'
import { NO_TOPIC_ID } from './topic-view.ts'

type Wanted = RequestOf<typeof createTopics>['topics'][number]
type Answer = ResponseOf<typeof createTopics>['topics'][number]

/** Of one request, all topics together; Kafka's controller takes no more. */
const PARTITIONS_MAX = 10_000

export const handleCreateTopics: Handler<typeof createTopics> = async (request, context) => {
  const names = request.topics.map(({ name }) => name)
  const twice = duplicatesIn(names)
  const single = request.topics.filter(({ name }) => !twice.has(name))
  const answers = [
    ...(await create(single, request.validateOnly, context)),
    ...[...twice].map((name) => refused(name, refusal('INVALID_REQUEST', `topic=${name} is named twice`))),
  ]
  return { throttleTimeMs: 0, topics: answers }
}

async function create(wanted: readonly Wanted[], validateOnly: boolean, context: RequestContext): Promise<Answer[]> {
  const { admin, broker } = context
  const count = wanted.reduce((sum, { numPartitions, assignments }) => {
    return sum + Math.max(assignments.length, numPartitions, 0)
  }, 0)
  if (count > PARTITIONS_MAX) {
    const error = refusal('POLICY_VIOLATION', `${count} partitions in one request, over ${PARTITIONS_MAX}`)
    return wanted.map(({ name }) => refused(name, error))
  }
  const faults = wanted.map(configFault)
  const good = wanted.filter((_, i) => faults[i] === undefined)
  const made = await admin.ask({
    type: 'createEachTopic',
    topics: good.map((topic) => ({
      topic: topic.name,
      partitions: topic.numPartitions,
      replicationFactor: topic.replicationFactor,
      assignments: topic.assignments,
      configs: configsOf(topic),
    })),
    nodeId: broker.nodeId,
    validateOnly,
  })
  let next = 0
  return wanted.map((topic, i) => {
    const fault = faults[i]
    return fault === undefined ? answer(topic, made[next++]!, admin.overrides) : refused(topic.name, fault)
  })
}

function configFault({ configs }: Wanted): Outcome | undefined {
  const nameless = configs.find(({ value }) => value === null)
  if (nameless === undefined) return undefined
  return refusal('INVALID_CONFIG', `${nameless.name} is given without a value`)
}

/** The last value counts, as in Kafka. */
function configsOf({ configs }: Wanted): Values {
  return Object.fromEntries(configs.map(({ name, value }) => [name, value!]))
}

function answer(topic: Wanted, made: CreatedTopic, overrides: Overrides): Answer {
  if (made.error !== undefined) return refused(topic.name, outcomeOf(made.error))
  const configs = describeTopicSettings(configsOf(topic), overrides).map((setting) => ({
    name: setting.name,
    value: setting.value,
    readOnly: setting.isReadOnly,
    configSource: setting.source,
    isSensitive: setting.isSensitive,
  }))
  return {
    ...refused(topic.name, SUCCESS),
    topicId: made.topicId,
    numPartitions: made.partitions,
    replicationFactor: 1,
    configs,
  }
}

function refused(name: string, outcome: Outcome): Answer {
  return {
    name,
    topicId: NO_TOPIC_ID,
    ...outcome,
    topicConfigErrorCode: 0,
    numPartitions: -1,
    replicationFactor: -1,
    configs: [],
  }
}
