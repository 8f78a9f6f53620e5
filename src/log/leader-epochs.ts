/**
 * LeaderEpochs: at which offset each leader epoch of a partition began; file `leader-epoch-checkpoint`, one line
 * `<epoch> <startOffset>` each. Owned by the partition's shard.
 *
 * One node has one leader, but epochs are part of the format: OffsetForLeaderEpoch and ListOffsets answer from here,
 * and a directory that Kafka wrote brings its own. Invariant: epochs and start offsets both strictly increase. A change
 * is in memory until write(). Reference: KIP-101, KIP-279.
 */
import { assert } from '../base/assert.ts'
import type { Fs } from '../base/env/env.ts'
import { malformedEntry, parseCount, readCheckpointLines, writeCheckpointLines } from './checkpoint-file.ts'

export const LEADER_EPOCH_CHECKPOINT = 'leader-epoch-checkpoint'
/** Kafka's words for "no such epoch" and "no such offset". */
export const NO_EPOCH = -1
export const NO_EPOCH_OFFSET = -1

const EPOCH_MAX = 0x7fff_ffff

export interface LeaderEpoch {
  readonly epoch: number
  readonly startOffset: number
}

export interface EpochEndOffset {
  /** The greatest known epoch at or below the one asked for, or -1. */
  readonly epoch: number
  /** The first offset behind that epoch, or -1. */
  readonly endOffset: number
}

export class LeaderEpochs {
  readonly #fs: Fs
  readonly #directory: string
  #entries: LeaderEpoch[]

  private constructor(fs: Fs, directory: string, entries: LeaderEpoch[]) {
    this.#fs = fs
    this.#directory = directory
    this.#entries = entries
  }

  /**
   * Without a file there are no epochs. Throws DIRECTORY_CORRUPT with file and line, DIRECTORY_VERSION, StorageError.
   */
  static load(fs: Fs, directory: string): LeaderEpochs {
    const entries: LeaderEpoch[] = []
    const lines = readCheckpointLines(fs, directory, LEADER_EPOCH_CHECKPOINT) ?? []
    for (const [index, line] of lines.entries()) {
      const entry = parseEntry(line)
      if (entry === undefined) {
        throw malformedEntry(directory, LEADER_EPOCH_CHECKPOINT, index, line, '<epoch> <start offset>')
      }
      const before = entries.at(-1)
      if (before !== undefined && (entry.epoch <= before.epoch || entry.startOffset <= before.startOffset)) {
        const expected = `epoch and start offset above ${before.epoch} ${before.startOffset}`
        throw malformedEntry(directory, LEADER_EPOCH_CHECKPOINT, index, line, expected)
      }
      entries.push(entry)
    }
    return new LeaderEpochs(fs, directory, entries)
  }

  /** No epochs, whatever the file says: the start of a rebuild from the log. */
  static empty(fs: Fs, directory: string): LeaderEpochs {
    return new LeaderEpochs(fs, directory, [])
  }

  get entries(): readonly LeaderEpoch[] {
    return this.#entries
  }

  /** -1 when there is none. */
  latestEpoch(): number {
    return this.#entries.at(-1)?.epoch ?? NO_EPOCH
  }

  /**
   * Notes that `epoch` begins at `startOffset`; true if that is news. Entries that contradict it (of the same or a
   * later epoch, or that begin at or behind `startOffset`) are removed: the newest knowledge wins.
   */
  assign(epoch: number, startOffset: number): boolean {
    assert(Number.isInteger(epoch) && epoch >= 0 && epoch <= EPOCH_MAX, 'leader epoch is an int32, 0 or more')
    assert(Number.isSafeInteger(startOffset) && startOffset >= 0, 'start offset is a safe integer, 0 or more')
    const latest = this.#entries.at(-1)
    if (latest !== undefined && latest.epoch === epoch && startOffset >= latest.startOffset) return false
    let count = this.#entries.length
    for (; count > 0; count--) {
      const entry = this.#entries[count - 1]!
      if (entry.epoch < epoch && entry.startOffset < startOffset) break
    }
    this.#entries.length = count
    this.#entries.push({ epoch, startOffset })
    return true
  }

  /** Where the records of `epoch` end, as OffsetForLeaderEpoch answers it. */
  endOffsetFor(epoch: number, logEndOffset: number): EpochEndOffset {
    if (epoch === NO_EPOCH || epoch > this.latestEpoch()) return { epoch: NO_EPOCH, endOffset: NO_EPOCH_OFFSET }
    if (epoch === this.latestEpoch()) return { epoch, endOffset: logEndOffset }
    let floor = epoch // Before the first known epoch: that one's records are gone, and the log begins behind them.
    for (const entry of this.#entries) {
      if (entry.epoch > epoch) return { epoch: floor, endOffset: entry.startOffset }
      floor = entry.epoch
    }
    return { epoch: NO_EPOCH, endOffset: NO_EPOCH_OFFSET }
  }

  /** The epoch that wrote `offset`, or -1. */
  epochForOffset(offset: number): number {
    let epoch = NO_EPOCH
    for (const entry of this.#entries) {
      if (entry.startOffset > offset) break
      epoch = entry.epoch
    }
    return epoch
  }

  /** Forgets epochs that begin at `endOffset` or behind it; true if there were any. */
  truncateFromEnd(endOffset: number): boolean {
    let count = this.#entries.length
    while (count > 0 && this.#entries[count - 1]!.startOffset >= endOffset) count -= 1
    const isChanged = count < this.#entries.length
    this.#entries.length = count
    return isChanged
  }

  /**
   * Forgets epochs that end at or before `startOffset`; the one it falls into then begins there. True if any changed.
   */
  truncateFromStart(startOffset: number): boolean {
    let count = 0
    while (count < this.#entries.length && this.#entries[count]!.startOffset <= startOffset) count += 1
    if (count === 0) return false
    const { epoch, startOffset: startBefore } = this.#entries[count - 1]!
    if (count === 1 && startBefore === startOffset) return false
    this.#entries = [{ epoch, startOffset }, ...this.#entries.slice(count)]
    return true
  }

  /** Replaces the file, atomically and durably. Throws StorageError. */
  write(): void {
    const lines = this.#entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`)
    writeCheckpointLines(this.#fs, this.#directory, LEADER_EPOCH_CHECKPOINT, lines)
  }
}

function parseEntry(line: string): LeaderEpoch | undefined {
  const [epochDigits = '', offsetDigits = '', ...rest] = line.split(' ')
  const epoch = parseCount(epochDigits, EPOCH_MAX)
  const startOffset = parseCount(offsetDigits)
  if (epoch === undefined || startOffset === undefined || rest.length > 0) return undefined
  return { epoch, startOffset }
}
