/**
 * LocalMembers: group members that are threads of this process. Owned by the coordinator's thread.
 *
 * A member belongs to the port that its thread asks by. While the port is open the member needs no heartbeat for its
 * session: it is kept alive here, for as long as the thread itself is heard of at least once in max.poll.interval.ms
 * (its client heartbeats by a timer; a thread that computes for longer than that is out, as any consumer that does not
 * poll). When the port closes its members leave at once; static ones for a while, as KIP-345 and KIP-848 say.
 */
import { GroupApi } from '../../coordinator/group-requests.ts'
import type { FoundMember } from '../../coordinator/group-watch.ts'
import { LEAVE_EPOCH, STATIC_LEAVE_EPOCH } from '../../coordinator/consumer/consumer-group.ts'

export const KEEP_ALIVE_MS = 2000

/** Newest versions, which say all that is needed here. */
const LEAVE_GROUP_VERSION = 5
const CONSUMER_HEARTBEAT_VERSION = 1

export interface LocalMember extends FoundMember {
  readonly client: object
  /** max.poll.interval.ms of the member. */
  readonly silenceMs: number
  heardMs: number
}

/** A request that takes a member out of its group. */
export interface LeaveRequest {
  readonly apiKey: number
  readonly apiVersion: number
  readonly request: object
}

interface AskedFields {
  readonly groupId: string
  readonly memberId: string
  readonly groupInstanceId?: string | null
  readonly instanceId?: string | null
  readonly memberEpoch?: number
  readonly rebalanceTimeoutMs?: number
  readonly members?: readonly { readonly memberId: string }[]
}

interface AnsweredFields {
  readonly errorCode: number
  readonly memberId?: string | null
}

const NOT_A_MEMBER: ReadonlySet<number> = new Set([25, 69, 82, 110])
const FOREVER_MS = 0x7fff_ffff

export class LocalMembers {
  readonly #members = new Map<string, LocalMember>()

  get size(): number {
    return this.#members.size
  }

  all(): Iterable<LocalMember> {
    return this.#members.values()
  }

  of(groupId: string): LocalMember[] {
    return [...this.#members.values()].filter((member) => member.groupId === groupId)
  }

  has(groupId: string, memberId: string): boolean {
    return this.#members.has(keyOf(groupId, memberId))
  }

  /** Sees each request of a thread's own member: its thread lives. */
  heard(client: object, request: object, nowMs: number): void {
    const { groupId, memberId } = request as AskedFields
    const member = this.#members.get(keyOf(groupId, memberId))
    if (member?.client === client) member.heardMs = nowMs
  }

  /** Sees each answer to one: who is a member from now on, and who no longer. */
  answered(client: object, apiKey: number, request: object, answer: object, nowMs: number): void {
    const asked = request as AskedFields
    const { errorCode, memberId } = answer as AnsweredFields
    if (apiKey === GroupApi.LEAVE_GROUP) {
      for (const leaving of asked.members ?? []) this.#members.delete(keyOf(asked.groupId, leaving.memberId))
      return
    }
    const isConsumer = apiKey === GroupApi.CONSUMER_GROUP_HEARTBEAT
    const id = memberId ?? asked.memberId
    const key = keyOf(asked.groupId, id)
    const isLeaving = isConsumer && (asked.memberEpoch ?? 0) < 0
    if (isLeaving || NOT_A_MEMBER.has(errorCode)) {
      if (this.#members.get(key)?.client === client) this.#members.delete(key)
      return
    }
    const isJoin = apiKey === GroupApi.JOIN_GROUP || isConsumer
    const isKnown = this.#members.get(key)?.client === client
    if (errorCode !== 0 || (!isJoin && apiKey !== GroupApi.HEARTBEAT) || (isKnown && !isJoin)) return
    const timeoutMs = asked.rebalanceTimeoutMs ?? -1
    const before = this.#members.get(key)
    this.#members.set(key, {
      groupId: asked.groupId,
      memberId: id,
      instanceId: asked.instanceId ?? asked.groupInstanceId ?? null,
      protocol: isConsumer ? 'consumer' : 'classic',
      client,
      silenceMs: timeoutMs > 0 ? timeoutMs : (before?.silenceMs ?? FOREVER_MS),
      heardMs: nowMs,
    })
  }

  /** The thread is gone. Returns its members, which are forgotten here. */
  take(client: object): LocalMember[] {
    const gone = [...this.#members.values()].filter((member) => member.client === client)
    for (const { groupId, memberId } of gone) this.#members.delete(keyOf(groupId, memberId))
    return gone
  }

  /** Members that were silent for too long; they are forgotten here. */
  takeSilent(nowMs: number): LocalMember[] {
    const silent = [...this.#members.values()].filter(({ heardMs, silenceMs }) => nowMs - heardMs > silenceMs)
    for (const { groupId, memberId } of silent) this.#members.delete(keyOf(groupId, memberId))
    return silent
  }
}

/** How a member leaves whose thread is gone. Undefined: a static classic member, which has no leave of its own. */
export function leaveRequestOf({ groupId, memberId, instanceId, protocol }: FoundMember): LeaveRequest | undefined {
  if (protocol === 'classic') {
    if (instanceId !== null) return undefined
    const members = [{ memberId, groupInstanceId: null, reason: 'its thread ended' }]
    return {
      apiKey: GroupApi.LEAVE_GROUP,
      apiVersion: LEAVE_GROUP_VERSION,
      request: { groupId, memberId: '', members },
    }
  }
  return {
    apiKey: GroupApi.CONSUMER_GROUP_HEARTBEAT,
    apiVersion: CONSUMER_HEARTBEAT_VERSION,
    request: {
      groupId,
      memberId,
      memberEpoch: instanceId === null ? LEAVE_EPOCH : STATIC_LEAVE_EPOCH,
      instanceId,
      rackId: null,
      rebalanceTimeoutMs: -1,
      subscribedTopicNames: null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: null,
    },
  }
}

function keyOf(groupId: string, memberId: string): string {
  return `${groupId}\0${memberId}`
}
