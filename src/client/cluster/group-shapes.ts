/**
 * Requests about groups, by their API: which groups one names, how it is split over their coordinators and its answers
 * joined, which error an answer carries, and what stands for an answer where no coordinator can be asked.
 */
import { offsetCommit } from '../../protocol/messages/08-offset-commit.ts'
import { offsetFetch } from '../../protocol/messages/09-offset-fetch.ts'
import { joinGroup } from '../../protocol/messages/11-join-group.ts'
import { heartbeat } from '../../protocol/messages/12-heartbeat.ts'
import { leaveGroup } from '../../protocol/messages/13-leave-group.ts'
import { syncGroup } from '../../protocol/messages/14-sync-group.ts'
import { describeGroups } from '../../protocol/messages/15-describe-groups.ts'
import { listGroups } from '../../protocol/messages/16-list-groups.ts'
import { deleteGroups } from '../../protocol/messages/42-delete-groups.ts'
import { offsetDelete } from '../../protocol/messages/47-offset-delete.ts'
import { consumerGroupHeartbeat } from '../../protocol/messages/68-consumer-group-heartbeat.ts'
import { consumerGroupDescribe } from '../../protocol/messages/69-consumer-group-describe.ts'
import type { Api, RequestOf, ResponseOf } from '../../protocol/wire/api.ts'
import type { Decoded, Encodable, Fields } from '../../protocol/wire/schema.ts'
import { WireReader } from '../../protocol/wire/wire-reader.ts'
import { WireWriter } from '../../protocol/wire/wire-writer.ts'
import type { Connection } from './connection.ts'

/** What is known of an API about groups. */
export interface GroupShape {
  /** Undefined: every broker is asked (ListGroups). */
  groups(request: object): readonly string[] | undefined
  /** The same request about one of its groups. */
  about(request: object, groupId: string): object
  /** At least one answer. */
  join(answers: readonly object[]): object
  errorOf(answer: object): number
  refuse(request: object, errorCode: number): object
  /** In the newest version of both sides up to `cap`. */
  send(connection: Connection, request: object, cap: number, timeoutMs: number | undefined): Promise<object>
}

/** The parts that differ; typed by the API, whose requests alone come in. */
interface ShapeParts<Q, R> {
  groups(request: Q): readonly string[] | undefined
  about?(request: Q, groupId: string): Q
  join?(answers: readonly R[]): R
  errorOf(answer: R): number
  refuse(request: Q, errorCode: number): Encodable<R>
}

function shape<Q extends Fields, R extends Fields>(
  api: Api<Q, R>,
  parts: ShapeParts<Decoded<Q>, Decoded<R>>,
): [number, GroupShape] {
  // Whoever takes a shape out passes it what its API sends: the key of the request chose it.
  const asRequest = (request: object): Decoded<Q> => request as Decoded<Q>
  const of: GroupShape = {
    groups: (request) => parts.groups(asRequest(request)),
    about: (request, groupId) => parts.about?.(asRequest(request), groupId) ?? request,
    join: (answers) => parts.join?.(answers as Decoded<R>[]) ?? answers[0]!,
    errorOf: (answer) => parts.errorOf(answer as Decoded<R>),
    refuse: (request, errorCode) => withDefaults(api, parts.refuse(asRequest(request), errorCode)),
    send: (connection, request, cap, timeoutMs) =>
      connection.request(api, connection.versionOf(api, cap), asRequest(request) as Encodable<Decoded<Q>>, timeoutMs),
  }
  return [api.key, of]
}

/** An answer as if it had come over the wire: what is not said has its default. */
function withDefaults<Q extends Fields, R extends Fields>(api: Api<Q, R>, answer: Encodable<Decoded<R>>): Decoded<R> {
  const writer = new WireWriter()
  api.response.write(writer, api.lastVersion, answer)
  return api.response.read(new WireReader(writer.finish()), api.lastVersion)
}

const oneGroup = ({ groupId }: { readonly groupId: string }): readonly string[] => [groupId]
const topLevel = ({ errorCode }: { readonly errorCode: number }): number => errorCode
const refuseAll = (_request: unknown, errorCode: number): { errorCode: number } => ({ errorCode })

function ofFirst(parts: readonly { readonly errorCode: number }[] | undefined): number {
  return parts?.[0]?.errorCode ?? 0
}

export const GROUP_SHAPES: ReadonlyMap<number, GroupShape> = new Map([
  shape(offsetCommit, {
    groups: oneGroup,
    errorOf: ({ topics }) => ofFirst(topics[0]?.partitions),
    refuse: ({ topics }: RequestOf<typeof offsetCommit>, errorCode) => ({
      topics: topics.map(({ name, topicId, partitions }) => ({
        name,
        topicId,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      })),
    }),
  }),
  shape(offsetFetch, {
    groups: ({ groups }) => groups.map(({ groupId }) => groupId),
    about: (request, groupId) => ({ ...request, groups: request.groups.filter((each) => each.groupId === groupId) }),
    join: (answers) => ({ ...answers[0]!, groups: answers.flatMap(({ groups }) => groups) }),
    errorOf: ({ groups }) => ofFirst(groups),
    refuse: ({ groups }, errorCode) => ({ groups: groups.map(({ groupId }) => ({ groupId, errorCode })) }),
  }),
  shape(joinGroup, { groups: oneGroup, errorOf: topLevel, refuse: refuseAll }),
  shape(heartbeat, { groups: oneGroup, errorOf: topLevel, refuse: refuseAll }),
  shape(leaveGroup, { groups: oneGroup, errorOf: topLevel, refuse: refuseAll }),
  shape(syncGroup, { groups: oneGroup, errorOf: topLevel, refuse: refuseAll }),
  shape(describeGroups, {
    groups: ({ groups }) => groups,
    about: (request, groupId) => ({ ...request, groups: [groupId] }),
    join: (answers) => ({ ...answers[0]!, groups: answers.flatMap(({ groups }) => groups) }),
    errorOf: ({ groups }) => ofFirst(groups),
    refuse: ({ groups }, errorCode) => ({ groups: groups.map((groupId) => ({ groupId, errorCode })) }),
  }),
  shape(listGroups, {
    groups: () => undefined,
    join: (answers: readonly ResponseOf<typeof listGroups>[]) => ({
      ...answers[0]!,
      errorCode: answers.find(({ errorCode }) => errorCode !== 0)?.errorCode ?? 0,
      groups: answers.flatMap(({ groups }) => groups),
    }),
    errorOf: topLevel,
    refuse: refuseAll,
  }),
  shape(deleteGroups, {
    groups: ({ groupsNames }) => groupsNames,
    about: (request, groupId) => ({ ...request, groupsNames: [groupId] }),
    join: (answers) => ({ ...answers[0]!, results: answers.flatMap(({ results }) => results) }),
    errorOf: ({ results }) => ofFirst(results),
    refuse: ({ groupsNames }, errorCode) => ({ results: groupsNames.map((groupId) => ({ groupId, errorCode })) }),
  }),
  shape(offsetDelete, { groups: oneGroup, errorOf: topLevel, refuse: refuseAll }),
  shape(consumerGroupHeartbeat, { groups: oneGroup, errorOf: topLevel, refuse: refuseAll }),
  shape(consumerGroupDescribe, {
    groups: ({ groupIds }) => groupIds,
    about: (request, groupId) => ({ ...request, groupIds: [groupId] }),
    join: (answers) => ({ ...answers[0]!, groups: answers.flatMap(({ groups }) => groups) }),
    errorOf: ({ groups }) => ofFirst(groups),
    refuse: ({ groupIds }, errorCode) => ({ groups: groupIds.map((groupId) => ({ groupId, errorCode })) }),
  }),
])
