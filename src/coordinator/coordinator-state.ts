/**
 * CoordinatorState: a coordinator's groups, its time, and how it gets from the records of its partition to them.
 *
 * Load: every record of the partition in order, then finish(). The newest value of each key counts, null forgets it.
 */
import type { Random } from '../base/env/env.ts'
import type { ConsumerGroup } from './consumer/consumer-group.ts'
import { type GroupConfig } from './group-config.ts'
import { type Append, GroupEntry } from './group-entry.ts'
import { GroupError } from './group-errors.ts'
import type { GroupServices } from './group-seat.ts'
import { newClassicGroup, expireMember, restartSession } from './classic/rebalance.ts'
import { CONSUMER_GROUP_KEYS, readConsumerGroupRecord } from './records/consumer-group-records.ts'
import {
  GROUP_METADATA_KEY,
  type GroupMetadataValue,
  readGroupMetadataKey,
  readGroupMetadataValue,
} from './records/group-metadata-record.ts'
import { OFFSET_COMMIT_KEY, OFFSET_COMMIT_KEY_OLD, readOffsetKey, readOffsetValue } from './records/offset-records.ts'
import { keyVersion } from './records/record-codec.ts'
import { Timers } from './timers.ts'
import type { TopicCatalogue } from './topic-catalogue.ts'

export interface CoordinatorOptions {
  readonly config: GroupConfig
  readonly topics: TopicCatalogue
  readonly random: Random
  readonly append: Append
}

export class CoordinatorState implements GroupServices {
  readonly config: GroupConfig
  readonly topics: TopicCatalogue
  readonly random: Random
  readonly timers = new Timers()
  readonly entries = new Map<string, GroupEntry>()
  readonly #append: Append
  /** Classic groups as last read; made into groups at the end. */
  readonly #stored = new Map<string, GroupMetadataValue>()
  catalogueVersion = 0
  nowMs = 0
  /** Whole milliseconds: records have no others. */
  wallMs = 0
  #commits = 0
  #changed = new Set<string>()

  constructor({ config, topics, random, append }: CoordinatorOptions) {
    this.config = config
    this.topics = topics
    this.random = random
    this.#append = append
  }

  get isFull(): boolean {
    return this.entries.size >= this.config.groupsMax
  }

  noteChange(groupId: string): void {
    this.#changed.add(groupId)
  }

  /** Groups that changed since the last call. */
  takeChanged(): ReadonlySet<string> {
    const changed = this.#changed
    if (changed.size > 0) this.#changed = new Set()
    return changed
  }

  nextCommitSequence(): number {
    this.#commits += 1
    return this.#commits
  }

  /** Made where there is none. */
  entry(groupId: string): GroupEntry {
    let entry = this.entries.get(groupId)
    if (entry === undefined) {
      entry = new GroupEntry(groupId, this, this.#append, (quiet) => this.#release(quiet))
      this.entries.set(groupId, entry)
    }
    return entry
  }

  /** Forgets an entry that holds nothing: whoever asks for groups that never come to be leaves no trace. */
  #release(entry: GroupEntry): void {
    if (!entry.isVoid || this.entries.get(entry.groupId) !== entry) return
    entry.forgetGroup(GroupError.UNKNOWN_MEMBER_ID)
    this.entries.delete(entry.groupId)
  }

  releaseIfVoid(entry: GroupEntry): void {
    this.#release(entry)
  }

  /** Throws WireFormatError for bytes that are no record of this topic. */
  load(key: Uint8Array, value: Uint8Array | null): void {
    const kind = keyVersion(key)
    if (kind === OFFSET_COMMIT_KEY || kind === OFFSET_COMMIT_KEY_OLD) this.#loadOffset(key, value)
    else if (kind === GROUP_METADATA_KEY) this.#loadClassic(key, value)
    else if (CONSUMER_GROUP_KEYS.has(kind)) this.#loadConsumer(key, value)
    // Others are of share and streams groups, which this coordinator does not have.
  }

  #loadOffset(key: Uint8Array, value: Uint8Array | null): void {
    const { group, topic, partition } = readOffsetKey(key)
    const { offsets } = this.entry(group)
    const read = value === null ? undefined : readOffsetValue(value)
    if (read !== undefined) offsets.set(topic, partition, { ...read, sequence: this.nextCommitSequence() })
    else if (value === null) offsets.delete(topic, partition)
  }

  #loadClassic(key: Uint8Array, value: Uint8Array | null): void {
    const groupId = readGroupMetadataKey(key)
    const read = value === null ? undefined : readGroupMetadataValue(value)
    if (read !== undefined && value !== null) {
      this.#stored.set(groupId, read)
      this.entry(groupId).classicRecord = { key: Uint8Array.from(key), value: Uint8Array.from(value) }
    } else if (value === null) {
      this.#stored.delete(groupId)
      this.entry(groupId).classicRecord = undefined
    }
  }

  #loadConsumer(key: Uint8Array, value: Uint8Array | null): void {
    const read = readConsumerGroupRecord(key, value)
    if (read === undefined) return
    const entry = this.entry(read.groupId)
    const { change } = read
    entry.consumerGroup().apply(change)
    // The group's own record is the last of its tombstones: what comes behind it is of a new life of the group.
    if (change.kind === 'epoch' && change.value === null) entry.consumer = undefined
  }

  finishLoad(): void {
    for (const [groupId, value] of this.#stored) {
      const entry = this.entry(groupId)
      if (entry.consumer?.isEmpty === false) {
        entry.classicRecord = undefined
        continue
      }
      const group = newClassicGroup(entry)
      group.restore(value, (memberId) => expireMember(group, memberId))
      entry.consumer = undefined
      entry.classic = group
      for (const member of group.members.values()) restartSession(group, member)
    }
    this.#stored.clear()
    for (const entry of [...this.entries.values()]) {
      if (entry.consumer !== undefined) finishConsumer(entry, entry.consumer)
      this.#release(entry)
    }
    this.#changed.clear()
  }
}

/** What is left of a group whose own record is gone: pieces that compaction has not come to yet. */
function finishConsumer(entry: GroupEntry, group: ConsumerGroup): void {
  if (group.isVoid) entry.consumer = undefined
  else group.finishLoad()
}
