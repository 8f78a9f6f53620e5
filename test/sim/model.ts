/**
 * Model: what clients of the engine were told and saw, and what must hold because of it.
 *
 * Every record has a number of its own, written into its value, so one that is read tells where it comes from. The
 * model knows for each partition which record lies at which offset (from acknowledgements and from reading) and forgets
 * only what may be lost: after a power cut, records that no acknowledgement and no committed offset spoke of.
 *
 *  A1  every acknowledged record is at its offset, with equal bytes: acks=all always, acks=1 unless the power was cut
 *  A2  offsets follow each other without a gap, from the log's start to its end
 *  A3  a record is in the log at most once, exactly once if it was acknowledged; without idempotence a restarted shard
 *      may be sent a batch twice
 *      a record that was lost, or that was never seen before its process ended, does not appear later
 *      records of one producer are in the order in which they were sent
 *  A5  ends that clients see do not go back; committed <= high watermark
 */
import { partitionForKey } from '../../src/client/murmur2.ts'
import { type ModelPartition, type ModelTopic, NO_ENDS, type Ends } from './model-topic.ts'
import { SimFailure } from './scheduler.ts'

export type Ack = 'all' | 1 | 0

export interface SentRecord {
  readonly id: number
  /** As the sender saw it; moves on to a later topic of that name if the record turns up there. */
  topic: ModelTopic
  /** Of the producer that sent it: one for each producer object. Its records are in the order of their numbers. */
  readonly producer: number
  /** In which it was sent. */
  readonly process: number
  readonly acks: Ack
  readonly isIdempotent: boolean
  readonly key: string | null
  readonly value: string
  readonly partition: number | undefined
  /** Undefined: now. */
  readonly timestamp: number | undefined
  /** `gone`: not in the log, and never again. */
  outcome: 'pending' | 'acknowledged' | 'failed' | 'gone'
  /** Where it was seen or acknowledged; more than one place only where A3 allows it. */
  readonly places: { readonly partition: number; readonly offset: number }[]
}

export interface ReadRecord {
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
}

export class Model {
  readonly records: SentRecord[] = []
  /** Every topic that ever was, by its id. */
  readonly topics = new Map<string, ModelTopic>()
  /** Counts processes. */
  processNumber = 0
  /** Those in which a shard was restarted: what was under way then was sent again. */
  readonly restartedIn = new Set<number>()
  acknowledgedCount = 0
  readCount = 0

  send(parts: Omit<SentRecord, 'id' | 'process' | 'outcome' | 'places' | 'value'>, valueLength: number): SentRecord {
    const id = this.records.length
    const process = this.processNumber
    const value = valueOf(id, valueLength)
    const record: SentRecord = { ...parts, id, process, value, outcome: 'pending', places: [] }
    this.records.push(record)
    return record
  }

  /** `topic`: what the sender's transport takes the name for at this moment. */
  acknowledged(
    record: SentRecord,
    topic: ModelTopic | undefined,
    partition: number,
    offset: number,
    durability: string,
  ): void {
    this.acknowledgedCount += 1
    check(durability === (record.acks === 'all' ? 'committed' : 'stable'), record, `was acknowledged as ${durability}`)
    check(record.outcome === 'pending', record, `is acknowledged after it was ${record.outcome}`)
    check(record.partition === undefined || record.partition === partition, record, `went to partition ${partition}`)
    record.outcome = 'acknowledged'
    if (topic !== undefined && topic !== record.topic && record.places.length === 0) {
      // Its topic was deleted, and there is another of that name. With acks=1 it may be either that has the record.
      // With acks=all it is the new one, into which it went because the send waited for memory.
      if (record.acks !== 'all') return
      record.topic = topic
    }
    this.#place(record, record.topic, partition, offset)
    const known = record.topic.partition(partition)
    if (record.acks === 'all') known.committed = Math.max(known.committed, offset + 1)
    known.stable = Math.max(known.stable, offset + 1)
  }

  failed(record: SentRecord): void {
    check(record.outcome === 'pending', record, `fails after it was ${record.outcome}`)
    record.outcome = 'failed'
  }

  /** A client read this. */
  read(topic: ModelTopic, partition: number, read: ReadRecord): SentRecord {
    this.readCount += 1
    const where = `${topic.name}-${partition} offset ${read.offset}`
    const record = this.records[idOf(read.value)]
    if (record === undefined) {
      throw new SimFailure(`${where} holds what nobody sent: ${String(read.value).slice(0, 40)}`)
    }
    const isLater = record.topic.name === topic.name && record.places.length === 0
    check(record.topic === topic || isLater, record, `appears at ${where}, in another topic`)
    check(record.value === read.value, record, `has other bytes at ${where}`)
    check(record.key === read.key, record, `has another key at ${where}`)
    check(record.partition === undefined || record.partition === partition, record, `appears at ${where}`)
    check(record.outcome !== 'gone', record, `was lost, or not seen before its process ended, and appears at ${where}`)
    check(isPartitionOfKey(record, topic, partition), record, `with its key is in the wrong partition at ${where}`)
    if (record.timestamp !== undefined && !topic.mayStamp) {
      check(record.timestamp === read.timestamp, record, `has timestamp ${read.timestamp} at ${where}`)
    }
    this.#place(record, topic, partition, read.offset)
    return record
  }

  /** One record lies at one offset, and one offset holds one record. */
  #place(record: SentRecord, topic: ModelTopic, partition: number, offset: number): void {
    const { log } = topic.partition(partition)
    const other = log.get(offset)
    check(other === undefined || other === record.id, record, `is at ${partition}/${offset}, where record ${other} was`)
    log.set(offset, record.id)
    record.topic = topic
    if (record.places.some((place) => place.partition === partition && place.offset === offset)) return
    record.places.push({ partition, offset })
    if (record.places.length > 1 && !this.#mayRepeat(record)) {
      const places = record.places.map((place) => `${place.partition}/${place.offset}`)
      throw new SimFailure(`${describe(record)} is in the log more than once: ${places.join(', ')}`)
    }
  }

  #mayRepeat({ isIdempotent, process }: SentRecord): boolean {
    return !isIdempotent && this.restartedIn.has(process)
  }

  /** A client looked at the ends. They never go back while a process lives. */
  sawEnds(client: string, topic: ModelTopic, partition: number, ends: Ends): void {
    const known = topic.partition(partition)
    const seen = known.seen.get(client) ?? NO_ENDS
    const where = `${client}, ${topic.name}-${partition}: ${JSON.stringify(seen)} -> ${JSON.stringify(ends)}`
    if (ends.committedOffset > ends.highWatermark) throw new SimFailure(`committed is beyond the end: ${where}`)
    if (ends.logStartOffset > ends.highWatermark) throw new SimFailure(`the start is beyond the end: ${where}`)
    if (ends.highWatermark < seen.highWatermark) throw new SimFailure(`the high watermark went back: ${where}`)
    if (ends.committedOffset < seen.committedOffset) throw new SimFailure(`the committed offset went back: ${where}`)
    if (ends.logStartOffset < seen.logStartOffset) throw new SimFailure(`the log start went back: ${where}`)
    known.seen.set(client, { ...ends })
    known.committed = Math.max(known.committed, ends.committedOffset)
    known.stable = Math.max(known.stable, ends.highWatermark)
  }

  /** The process is gone: what is not in the log now never will be. */
  processEnded(lostPower: boolean): void {
    this.processNumber += 1
    for (const topic of this.topics.values()) {
      for (const partition of topic.partitions) {
        partition.seen.clear()
        partition.isVerified = false
        partition.lostPower ||= lostPower
      }
    }
  }

  /** A partition could not be looked through since the power was cut: what it may have lost is not known. */
  get isInDoubt(): boolean {
    return [...this.topics.values()].some(
      ({ existence, partitions }) => existence !== 'no' && partitions.some(({ lostPower }) => lostPower),
    )
  }

  /** A process has opened the log, and nobody writes yet: `records` is all that it holds of a partition, in order. */
  verify(topic: ModelTopic, index: number, ends: Ends, records: readonly ReadRecord[]): void {
    const known = topic.partition(index)
    const where = `${topic.name}-${index}`
    const { logStartOffset, highWatermark } = ends
    if (logStartOffset < known.trimmed) {
      throw new SimFailure(`${where}: trimmed to ${known.trimmed}, and the log starts at ${logStartOffset}`)
    }
    if (!topic.hasRetention && logStartOffset > Math.max(known.trimmed, known.mayBeTrimmed)) {
      throw new SimFailure(`${where}: the log starts at ${logStartOffset}, and was trimmed to ${known.trimmed}`)
    }
    const must = known.lostPower ? known.committed : Math.max(known.committed, known.stable)
    if (highWatermark < must) throw new SimFailure(`${where}: ends at ${highWatermark}, and ${must} was promised`)
    let expected = logStartOffset
    for (const read of records) {
      if (read.offset !== expected) throw new SimFailure(`${where}: offset ${read.offset} follows ${expected - 1}`)
      expected += 1
    }
    if (expected !== highWatermark) throw new SimFailure(`${where}: records end at ${expected}, not ${highWatermark}`)
    if (known.lostPower) this.#forget(known, index, must, records)
    for (const read of records) this.read(topic, index, read)
    this.#checkOrder(topic, index, records)
    known.lostPower = false
    known.isVerified = true
    known.stable = Math.max(known.stable, highWatermark)
  }

  /** After a power cut: what was not promised and is not there any more. Its offsets are given out again. */
  #forget(known: ModelPartition, index: number, must: number, records: readonly ReadRecord[]): void {
    const there = new Map(records.map((read) => [read.offset, idOf(read.value)]))
    for (const [offset, id] of known.log) {
      if (offset < must || there.get(offset) === id) continue
      known.log.delete(offset)
      const record = this.records[id]!
      const { places } = record
      const gone = places.findIndex((place) => place.partition === index && place.offset === offset)
      places.splice(gone, 1)
      // A record that was sent again may also lie where nobody has looked yet: seal() has the last word.
      if (places.length === 0 && !this.#mayRepeat(record)) record.outcome = 'gone'
    }
    known.stable = must
  }

  /** All partitions of a topic were looked through: records of earlier processes that are nowhere never will be. */
  seal(topic: ModelTopic, idEnd: number): void {
    for (let id = 0; id < idEnd; id++) {
      const record = this.records[id]!
      if (record.topic === topic && record.places.length === 0) record.outcome = 'gone'
    }
  }

  #checkOrder(topic: ModelTopic, index: number, records: readonly ReadRecord[]): void {
    const last = new Map<number, number>()
    for (const { value, offset } of records) {
      const id = idOf(value)
      const record = this.records[id]!
      if (this.#mayRepeat(record)) continue
      const { producer } = record
      const before = last.get(producer) ?? -1
      if (before > id) {
        const where = `${topic.name}-${index} offset ${offset}`
        throw new SimFailure(`${where}: record ${id} of producer ${producer} comes after its record ${before}`)
      }
      last.set(producer, id)
    }
  }
}

/** Partitions may have been added while the record was on its way: any count up to the greatest may have decided. */
function isPartitionOfKey(record: SentRecord, topic: ModelTopic, partition: number): boolean {
  if (record.key === null || record.partition !== undefined) return true
  const key = Buffer.from(record.key)
  for (let count = topic.partitions.length; count > 0; count--) {
    if (partitionForKey(key, 0, key.length, count) === partition) return true
  }
  return false
}

function describe(record: SentRecord): string {
  const { id, topic, producer, acks, isIdempotent } = record
  return `record ${id} of producer ${producer} (${topic.name}, acks=${acks}${isIdempotent ? ', idempotent' : ''})`
}

function check(holds: boolean, record: SentRecord, what: string): void {
  if (!holds) throw new SimFailure(`${describe(record)} ${what}`)
}

function idOf(value: string | null): number {
  return value === null ? NaN : Number(value.slice(0, value.indexOf('|')))
}

/** Its number, and a filler that only the number decides: some of it compresses, some does not. */
function valueOf(id: number, length: number): string {
  let text = `${id}|`
  let state = Math.imul(id + 1, 0x9e37_79b1)
  while (text.length < length) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
    text += (state >>> 16) % 5 === 0 ? 'aaaaaaaaaaaaaaaa' : (state >>> 0).toString(36)
  }
  return text
}
