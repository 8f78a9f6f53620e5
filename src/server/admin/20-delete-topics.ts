/**
 * DeleteTopics: each topic by itself, by name, from version 6 on by name or id (KIP-516).
 *
 * With delete.topic.enable=false nothing is deleted: INVALID_REQUEST before version 3, then TOPIC_DELETION_DISABLED.
 */
import { type deleteTopics } from '../../protocol/messages/20-delete-topics.ts'
import type { RequestOf, ResponseOf } from '../../protocol/wire/api.ts'
import { brokerValue } from '../../settings/describe.ts'
import type { Handler, RequestContext } from '../handler.ts'
import { duplicatesIn, type Outcome, outcomeOf, refusal } from './outcome.ts'
import { NO_TOPIC_ID } from './topic-view.ts'

type Request = RequestOf<typeof deleteTopics>
type Answer = ResponseOf<typeof deleteTopics>['responses'][number]

const IDS_SINCE = 6
const DISABLED_SINCE = 3

export const handleDeleteTopics: Handler<typeof deleteTopics> = async (request, context) => {
  const { admin, apiVersion } = context
  const wanted =
    apiVersion < IDS_SINCE ? request.topicNames.map((name) => ({ name, topicId: NO_TOPIC_ID })) : request.topics
  if (brokerValue(admin.overrides, 'delete.topic.enable')?.trim().toLowerCase() === 'false') {
    const code = apiVersion < DISABLED_SINCE ? 'INVALID_REQUEST' : 'TOPIC_DELETION_DISABLED'
    const error = refusal(code, 'topics are not deleted here: delete.topic.enable=false')
    return { throttleTimeMs: 0, responses: wanted.map((topic) => ({ ...topic, ...error })) }
  }
  const { refused, names } = resolve(wanted, context)
  const outcomes = names.length === 0 ? [] : await admin.ask({ type: 'deleteEachTopic', topics: names.map(nameOf) })
  const deleted = names.map(({ name, topicId }, i) => ({ name, topicId, ...outcomeOf(outcomes[i]) }))
  return { throttleTimeMs: 0, responses: [...refused, ...deleted] }
}

function nameOf({ name }: { readonly name: string }): string {
  return name
}

/** Which topics are meant; what means none, or one twice, is refused. Ids are those of before the deletion. */
function resolve(
  wanted: Request['topics'],
  { transport }: RequestContext,
): { refused: Answer[]; names: { name: string; topicId: string }[] } {
  const refused: Answer[] = []
  const names = new Map<string, string>()
  const twiceNamed = duplicatesIn(wanted.flatMap(({ name, topicId }) => (isById(topicId) ? [] : [name ?? ''])))
  const twiceById = duplicatesIn(wanted.flatMap(({ topicId }) => (isById(topicId) ? [topicId] : [])))
  const byId = new Map(transport.topics().map((info) => [info.topicId, info.topic]))
  const told = new Set<string>()
  const refuse = (name: string | null, topicId: string, outcome: Outcome): void => {
    if (told.has(`${name} ${topicId}`)) return
    told.add(`${name} ${topicId}`)
    refused.push({ name, topicId, ...outcome })
  }
  for (const { name, topicId } of wanted) {
    if (name !== null && isById(topicId)) {
      refuse(name, topicId, refusal('INVALID_REQUEST', 'a topic is named, or given by its id, not both'))
    } else if (name === null && !isById(topicId)) {
      refuse(name, topicId, refusal('INVALID_REQUEST', 'a topic has neither a name nor an id'))
    } else if (name === null && twiceById.has(topicId)) {
      refuse(name, topicId, refusal('INVALID_REQUEST', `topicId=${topicId} is given twice`))
    } else if (name === null) {
      const known = byId.get(topicId)
      if (known === undefined) refuse(null, topicId, refusal('UNKNOWN_TOPIC_ID', `topicId=${topicId} does not exist`))
      else names.set(known, topicId)
    } else if (twiceNamed.has(name)) {
      refuse(name, topicId, refusal('INVALID_REQUEST', `topic=${name} is named twice`))
    }
  }
  for (const { name, topicId } of wanted) {
    if (name === null || isById(topicId) || twiceNamed.has(name)) continue
    const known = transport.topic(name)?.topicId ?? NO_TOPIC_ID
    if (names.has(name)) {
      names.delete(name)
      refuse(name, known, refusal('INVALID_REQUEST', `topic=${name} is given by its id too`))
    } else {
      names.set(name, known)
    }
  }
  return { refused, names: [...names].map(([name, topicId]) => ({ name, topicId })) }
}

function isById(topicId: string): boolean {
  return topicId !== NO_TOPIC_ID
}
