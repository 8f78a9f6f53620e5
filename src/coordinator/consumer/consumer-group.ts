/**
 * ConsumerGroup: state of a group whose assignment the coordinator makes (KIP-848).
 *
 * Everything durable changes in apply() alone, by changes that are written: live and at load the same way. Only the
 * timers are of this life of the process: each member's session, and its time to give up revoked partitions.
 *
 * Invariants: a partition has at most one holder (a member holds what it is assigned and what it has yet to revoke);
 * a member's epoch <= targetEpoch <= epoch.
 */
import type { GroupSeat } from '../group-seat.ts'
import {
  type ConsumerGroupChange,
  type CurrentAssignment,
  MemberState,
  type MemberSubscription,
} from '../records/consumer-group-records.ts'
import type { Timer } from '../timers.ts'
import { type Assignment, NO_PARTITIONS } from './assignment.ts'

/** Epochs that a heartbeat may carry besides a member's own. */
export const JOIN_EPOCH = 0
export const LEAVE_EPOCH = -1
export const STATIC_LEAVE_EPOCH = -2

export const NEW_MEMBER: CurrentAssignment = {
  memberEpoch: 0,
  previousMemberEpoch: 0,
  state: MemberState.STABLE,
  assigned: NO_PARTITIONS,
  pendingRevocation: NO_PARTITIONS,
}

interface MemberTimers {
  readonly session: Timer
  readonly rebalance: Timer
}

export class ConsumerGroup {
  readonly seat: GroupSeat
  readonly #onExpired: (group: ConsumerGroup, memberId: string) => void
  epoch = 0
  /** Of the subscribed topics, when `epoch` was written. */
  metadataHash = 0
  targetEpoch = 0
  readonly subscriptions = new Map<string, MemberSubscription>()
  readonly targets = new Map<string, Assignment>()
  readonly regexes = new Map<string, readonly string[]>()
  /** The catalogue that `metadataHash` and `regexes` were last compared with; -1: compare at the next heartbeat. */
  checkedCatalogueVersion = -1
  /** When the group became empty or was loaded so: for the retention of its offsets. */
  emptySinceWallMs: number
  readonly #currents = new Map<string, CurrentAssignment>()
  readonly #timers = new Map<string, MemberTimers>()
  readonly #memberIdOf = new Map<string, string>()
  readonly #holders = new Map<string, Map<number, string>>()

  constructor(seat: GroupSeat, onExpired: (group: ConsumerGroup, memberId: string) => void) {
    this.seat = seat
    this.#onExpired = onExpired
    this.emptySinceWallMs = seat.services.wallMs
  }

  get isEmpty(): boolean {
    return this.subscriptions.size === 0
  }

  /** Nothing of it is stored. */
  get isVoid(): boolean {
    return this.epoch === 0 && this.isEmpty
  }

  get state(): 'Empty' | 'Assigning' | 'Reconciling' | 'Stable' {
    if (this.isEmpty) return 'Empty'
    if (this.epoch > this.targetEpoch) return 'Assigning'
    for (const memberId of this.subscriptions.keys()) {
      const { state, memberEpoch } = this.current(memberId)
      if (state !== MemberState.STABLE || memberEpoch !== this.targetEpoch) return 'Reconciling'
    }
    return 'Stable'
  }

  current(memberId: string): CurrentAssignment {
    return this.#currents.get(memberId) ?? NEW_MEMBER
  }

  target(memberId: string): Assignment {
    return this.targets.get(memberId) ?? NO_PARTITIONS
  }

  staticMemberId(instanceId: string): string | undefined {
    return this.#memberIdOf.get(instanceId)
  }

  holder(topicId: string, partition: number): string | undefined {
    return this.#holders.get(topicId)?.get(partition)
  }

  apply(change: ConsumerGroupChange): void {
    this.seat.services.noteChange(this.seat.groupId)
    switch (change.kind) {
      case 'epoch':
        this.epoch = change.value?.epoch ?? 0
        this.metadataHash = change.value?.metadataHash ?? 0
        return
      case 'targetEpoch':
        this.targetEpoch = change.value ?? 0
        return
      case 'target':
        setOrDelete(this.targets, change.memberId, change.value)
        return
      case 'regex':
        setOrDelete(this.regexes, change.regex, change.value === null ? null : change.value.topics)
        return
      case 'current':
        this.#setCurrent(change.memberId, change.value)
        return
      case 'member':
        this.#setMember(change.memberId, change.value)
        return
    }
  }

  #setMember(memberId: string, value: MemberSubscription | null): void {
    const instanceId = this.subscriptions.get(memberId)?.instanceId ?? null
    if (instanceId !== null && this.#memberIdOf.get(instanceId) === memberId) this.#memberIdOf.delete(instanceId)
    setOrDelete(this.subscriptions, memberId, value)
    if (value === null) {
      this.#clearTimers(memberId)
      if (this.isEmpty) this.emptySinceWallMs = this.seat.services.wallMs
    } else if (value.instanceId !== null) {
      this.#memberIdOf.set(value.instanceId, memberId)
    }
  }

  #setCurrent(memberId: string, value: CurrentAssignment | null): void {
    const before = this.#currents.get(memberId)
    if (before !== undefined) {
      this.#release(memberId, before.assigned)
      this.#release(memberId, before.pendingRevocation)
    }
    setOrDelete(this.#currents, memberId, value)
    if (value === null) return
    this.#hold(memberId, value.assigned)
    this.#hold(memberId, value.pendingRevocation)
  }

  #hold(memberId: string, assignment: Assignment): void {
    for (const [topicId, partitions] of assignment) {
      let holders = this.#holders.get(topicId)
      if (holders === undefined) {
        holders = new Map()
        this.#holders.set(topicId, holders)
      }
      for (const partition of partitions) holders.set(partition, memberId)
    }
  }

  #release(memberId: string, assignment: Assignment): void {
    for (const [topicId, partitions] of assignment) {
      const holders = this.#holders.get(topicId)
      if (holders === undefined) continue
      for (const partition of partitions) if (holders.get(partition) === memberId) holders.delete(partition)
      if (holders.size === 0) this.#holders.delete(topicId)
    }
  }

  /** All records are read: what a compacted log left of members that are gone is dropped, sessions begin. */
  finishLoad(): void {
    for (const memberId of [...this.#currents.keys()]) {
      if (!this.subscriptions.has(memberId)) this.#setCurrent(memberId, null)
    }
    for (const memberId of [...this.targets.keys()]) {
      if (!this.subscriptions.has(memberId)) this.targets.delete(memberId)
    }
    this.#holders.clear() // Once more in full: the log may have told of a new holder before the old one's release.
    for (const [memberId, current] of this.#currents) {
      this.#hold(memberId, current.assigned)
      this.#hold(memberId, current.pendingRevocation)
    }
    this.emptySinceWallMs = this.seat.services.wallMs
    for (const [memberId, subscription] of this.subscriptions) {
      this.restartSession(memberId)
      if (this.current(memberId).state === MemberState.UNREVOKED_PARTITIONS) {
        this.restartRebalance(memberId, subscription.rebalanceTimeoutMs)
      }
    }
  }

  restartSession(memberId: string): void {
    const { timers, nowMs, config } = this.seat.services
    timers.set(this.#timersOf(memberId).session, nowMs + config.consumerSessionTimeoutMs)
  }

  restartRebalance(memberId: string, timeoutMs: number): void {
    const { timers, nowMs } = this.seat.services
    timers.set(this.#timersOf(memberId).rebalance, nowMs + Math.max(1, timeoutMs))
  }

  stopRebalance(memberId: string): void {
    const timers = this.#timers.get(memberId)
    if (timers !== undefined) this.seat.services.timers.clear(timers.rebalance)
  }

  #timersOf(memberId: string): MemberTimers {
    let timers = this.#timers.get(memberId)
    if (timers === undefined) {
      const expire = (): void => this.#onExpired(this, memberId)
      timers = { session: this.seat.timer(expire), rebalance: this.seat.timer(expire) }
      this.#timers.set(memberId, timers)
    }
    return timers
  }

  #clearTimers(memberId: string): void {
    const timers = this.#timers.get(memberId)
    if (timers === undefined) return
    this.seat.services.timers.clear(timers.session)
    this.seat.services.timers.clear(timers.rebalance)
    this.#timers.delete(memberId)
  }

  /** No timer of a group that is given up may fire. */
  close(): void {
    for (const memberId of [...this.#timers.keys()]) this.#clearTimers(memberId)
  }

  /** Tombstones of all that the log knows of this group. */
  tombstones(): ConsumerGroupChange[] {
    return [
      ...[...this.#currents.keys()].map((memberId) => ({ kind: 'current' as const, memberId, value: null })),
      ...[...this.targets.keys()].map((memberId) => ({ kind: 'target' as const, memberId, value: null })),
      { kind: 'targetEpoch', value: null },
      ...[...this.subscriptions.keys()].map((memberId) => ({ kind: 'member' as const, memberId, value: null })),
      ...[...this.regexes.keys()].map((regex) => ({ kind: 'regex' as const, regex, value: null })),
      { kind: 'epoch', value: null },
    ]
  }
}

function setOrDelete<T>(map: Map<string, T>, key: string, value: T | null): void {
  if (value === null) map.delete(key)
  else map.set(key, value)
}
