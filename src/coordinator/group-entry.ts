/**
 * GroupEntry: all that a coordinator has under one group id: at most one of a classic and a consumer group, offsets,
 * and the lane that orders its requests and appends. Offsets may be there without a group (consumers that choose their
 * partitions themselves) and outlive the group's kind.
 */
import { type ClassicGroup } from './classic/classic-group.ts'
import { newClassicGroup } from './classic/rebalance.ts'
import { ConsumerGroup } from './consumer/consumer-group.ts'
import { expireConsumerMember } from './consumer/leave.ts'
import { GroupLane } from './group-lane.ts'
import type { GroupSeat, GroupServices } from './group-seat.ts'
import { GroupOffsets } from './offsets/group-offsets.ts'
import { consumerGroupRecord } from './records/consumer-group-records.ts'
import { GROUP_METADATA_KEY, groupMetadataRecord } from './records/group-metadata-record.ts'
import { type CoordinatorRecord, keyVersion } from './records/record-codec.ts'
import { Timer } from './timers.ts'

export type OnWritten = (error: Error | undefined) => void
export type Append = (records: CoordinatorRecord[], onWritten: OnWritten) => void

export class GroupEntry implements GroupSeat {
  readonly groupId: string
  readonly services: GroupServices
  readonly #append: Append
  readonly #onQuiet: (entry: GroupEntry) => void
  readonly lane: GroupLane
  readonly offsets = new GroupOffsets()
  classic: ClassicGroup | undefined
  consumer: ConsumerGroup | undefined
  /** The classic group's record as it stands in the log. */
  classicRecord: CoordinatorRecord | undefined
  #isWriting = false
  #waiters: OnWritten[] = []

  constructor(groupId: string, services: GroupServices, append: Append, onQuiet: (entry: GroupEntry) => void) {
    this.groupId = groupId
    this.services = services
    this.#append = append
    this.#onQuiet = onQuiet
    this.lane = new GroupLane(services.config.queuedRequestsMax)
  }

  /** Forgetting it loses nothing. */
  get isVoid(): boolean {
    return !this.exists && this.lane.isIdle
  }

  /** A group in the sense of Kafka: of either kind, or offsets alone. */
  get exists(): boolean {
    return this.classic?.isVoid === false || this.consumer?.isVoid === false || this.offsets.size > 0
  }

  timer(fire: () => void): Timer {
    const timer: Timer = new Timer(() => {
      const { version } = timer
      this.lane.enqueue('plain', () => {
        // Set again or cleared while it waited for its turn: a heartbeat was before it.
        if (timer.version === version) fire()
      })
      this.#onQuiet(this)
    })
    return timer
  }

  write(records: CoordinatorRecord[], onWritten: OnWritten): void {
    this.lane.beginWrite()
    this.#isWriting = true
    this.#append(records, (error) => {
      if (error === undefined) this.#noteClassicRecord(records)
      this.lane.complete(() => {
        this.lane.endWrite()
        this.#isWriting = false
        const waiters = this.#waiters
        this.#waiters = []
        onWritten(error)
        for (const waiter of waiters) waiter(error)
      })
      this.#onQuiet(this)
    })
  }

  #noteClassicRecord(records: readonly CoordinatorRecord[]): void {
    for (const record of records) {
      if (keyVersion(record.key) !== GROUP_METADATA_KEY) continue
      this.classicRecord = record.value === null ? undefined : record
    }
  }

  whenWritten(then: OnWritten): void {
    if (this.#isWriting) this.#waiters.push(then)
    else then(undefined)
  }

  /** Appends offsets, or tombstones of some, beside other commits of the group. */
  writeOffsets(records: CoordinatorRecord[], onWritten: OnWritten): void {
    this.lane.beginCommit()
    this.#append(records, (error) => {
      this.lane.endCommit()
      onWritten(error)
      this.lane.drain()
      this.#onQuiet(this)
    })
  }

  classicGroup(): ClassicGroup {
    return (this.classic ??= newClassicGroup(this))
  }

  consumerGroup(): ConsumerGroup {
    return (this.consumer ??= new ConsumerGroup(this, expireConsumerMember))
  }

  /** Tombstones of the group, not of its offsets. */
  groupTombstones(): CoordinatorRecord[] {
    const records = (this.consumer?.tombstones() ?? []).map((change) => consumerGroupRecord(this.groupId, change))
    if (this.classic?.isStored === true) records.push(groupMetadataRecord(this.groupId, null))
    return records
  }

  /** The group is gone, whoever waits hears `errorCode`; offsets stay. */
  forgetGroup(errorCode: number): void {
    this.classic?.close(errorCode)
    this.classic = undefined
    this.consumer?.close()
    this.consumer = undefined
  }
}
