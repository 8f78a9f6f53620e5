/**
 * Oracle: what the killed processes had noted, against what a fresh process finds in the directory.
 *
 *  A1  every acknowledged record is at its offset           A5  starts and ends never go back
 *  A2  offsets are contiguous (the verifier looks)          A9  indexes agree with a scan (the verifier looks)
 *  A3  what was not acknowledged is there at most once      A10 a second open changes nothing (the verifier looks)
 *  A4  what is there of one producer in one partition is the beginning of what it sent, in order
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface FoundPartition {
  readonly start: number
  readonly end: number
  readonly ids: readonly (readonly [offset: number, id: string])[]
  readonly logBytes: number
}

export interface Found {
  readonly recoveryMs: number
  readonly damage: readonly { readonly file: string; readonly action: string; readonly reason: string }[]
  readonly topics: Readonly<Record<string, readonly FoundPartition[]>>
  readonly faults: readonly string[]
}

interface Noted {
  /** Ids handed over, in order, by lane. */
  readonly lanes: Map<string, string[]>
  readonly acknowledged: { offset: number; id: string }[]
  startMin: number
  endMin: number
}

type TopicState = 'absent' | 'creating' | 'there' | 'deleting'

/** Topics that lose records by design. */
const SHRINKING = new Set(['kept', 'trimmed'])
const RETENTION_BYTES = 200_000
/** At most this much of one segment may have been cut off behind the point where retention had looked. */
const RETENTION_SLACK_BYTES = 65_536
/** What recovery may do to a log whose process was killed: cut off a write that was not complete. */
const HARMLESS = new Set(['truncated'])

export class Oracle {
  readonly #partitions = new Map<string, Noted>()
  readonly #topics = new Map<string, TopicState>()
  readonly #errors: string[] = []
  readonly #read = new Set<string>()
  acknowledgedCount = 0

  /** Reads the notes of runs that have ended since the last call. */
  read(folder: string): void {
    for (const file of readdirSync(folder).sort()) {
      if (this.#read.has(file)) continue
      this.#read.add(file)
      const lines = readFileSync(join(folder, file), 'latin1').split('\n')
      lines.pop() // What follows the last newline is a note that was being written: nothing followed from it.
      for (const line of lines) this.#take(line, file)
    }
  }

  #take(line: string, file: string): void {
    const [kind, topic = '', partition = '', ...rest] = line.split(' ')
    switch (kind) {
      case 'I': {
        const { lanes } = this.#noted(topic, partition)
        const id = rest[0]!
        const lane = id.slice(0, id.lastIndexOf('.'))
        const ids = lanes.get(lane)
        if (ids === undefined) lanes.set(lane, [id])
        else ids.push(id)
        return
      }
      case 'A':
        this.#noted(topic, partition).acknowledged.push({ offset: Number(rest[0]), id: rest[1]! })
        this.acknowledgedCount += 1
        return
      case 'S': {
        const noted = this.#noted(topic, partition)
        noted.startMin = Math.max(noted.startMin, Number(rest[0]))
        noted.endMin = Math.max(noted.endMin, Number(rest[1]))
        return
      }
      case 'TA': {
        const noted = this.#noted(topic, partition)
        noted.startMin = Math.max(noted.startMin, Number(rest[0]))
        return
      }
      case 'TI':
        return
      case 'CI':
        // It was not there: a deletion that was under way when its process was killed has been finished.
        this.#forget(topic)
        this.#topics.set(topic, 'creating')
        return
      case 'CA':
        this.#topics.set(topic, 'there')
        return
      case 'DI':
        this.#topics.set(topic, 'deleting')
        return
      case 'DA':
        this.#topics.set(topic, 'absent')
        this.#forget(topic)
        return
      default:
        this.#errors.push(`${file}: ${line}`)
    }
  }

  #forget(topic: string): void {
    for (const key of this.#partitions.keys()) if (key.startsWith(`${topic}/`)) this.#partitions.delete(key)
  }

  #noted(topic: string, partition: string): Noted {
    const key = `${topic}/${partition}`
    let noted = this.#partitions.get(key)
    if (noted === undefined) {
      noted = { lanes: new Map(), acknowledged: [], startMin: 0, endMin: 0 }
      this.#partitions.set(key, noted)
    }
    return noted
  }

  /** What is wrong; empty if nothing is. Settles what a kill had left open: a topic is there now, or it is not. */
  check(found: Found): string[] {
    const faults = [...this.#errors, ...found.faults]
    for (const { file, action, reason } of found.damage) {
      if (!HARMLESS.has(action)) faults.push(`damage: ${file} ${action}: ${reason}`)
    }
    for (const [topic, state] of this.#topics) {
      const isThere = found.topics[topic] !== undefined
      if (state === 'there' && !isThere) faults.push(`topic ${topic} was created and is gone`)
      if (state === 'absent' && isThere) faults.push(`topic ${topic} was deleted and is there`)
      if (!isThere) this.#forget(topic)
      this.#topics.set(topic, isThere ? 'there' : 'absent')
    }
    for (const [topic, partitions] of Object.entries(found.topics)) {
      if (!this.#topics.has(topic)) faults.push(`topic ${topic} is there and nobody created it`)
      partitions.forEach((partition, index) => faults.push(...this.#checkPartition(topic, index, partition)))
    }
    return faults
  }

  #checkPartition(topic: string, partition: number, found: FoundPartition): string[] {
    const faults: string[] = []
    const where = `${topic}-${partition}`
    const { lanes, acknowledged, startMin, endMin } = this.#noted(topic, String(partition))
    if (found.start < startMin) faults.push(`${where}: start ${found.start} went back from ${startMin}`)
    if (found.end < endMin) faults.push(`${where}: end ${found.end} went back from ${endMin}`)
    if (!SHRINKING.has(topic) && found.start !== 0) faults.push(`${where} begins at ${found.start}`)
    if (topic === 'kept' && found.start > 0 && found.logBytes < RETENTION_BYTES - RETENTION_SLACK_BYTES) {
      faults.push(`${where}: retention left ${found.logBytes} of ${RETENTION_BYTES} bytes`)
    }
    const stored = new Map(found.ids)
    for (const { offset, id } of acknowledged) {
      if (offset < found.start || stored.get(offset) === id) continue
      faults.push(`${where}: acknowledged ${id} at ${offset}, found ${stored.get(offset) ?? 'nothing'}`)
    }
    const offsetOf = new Map<string, number>()
    const next = new Map<string, number>()
    for (const [offset, id] of found.ids) {
      const earlier = offsetOf.get(id)
      if (earlier !== undefined) faults.push(`${where}: ${id} is at ${earlier} and at ${offset}`)
      offsetOf.set(id, offset)
      const lane = id.slice(0, id.lastIndexOf('.'))
      const sent = lanes.get(lane)
      const index = Number(id.slice(id.lastIndexOf('.') + 1))
      if (sent?.[index] !== id) {
        faults.push(`${where}: ${id} at ${offset} was never sent there`)
        continue
      }
      // The first one may be any: what was before it is below the log's start.
      const expected = next.get(lane) ?? (found.start > 0 ? index : 0)
      if (index !== expected) faults.push(`${where}: ${id} at ${offset} comes where ${lane}.${expected} should be`)
      next.set(lane, index + 1)
    }
    return faults
  }
}
