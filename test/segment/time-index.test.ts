import { describe, expect, it } from 'vitest'
import { StorageError } from '../../src/base/errors.ts'
import { lookupTimestampInFile, TimeIndex, type TimestampOffset } from '../../src/segment/time-index.ts'
import { damaged, MemoryFs, seededRandom } from '../log/memory-fs.ts'

const PATH = '/d/00000000000000000100.timeindex'
const BASE = 100
const NONE = { timestamp: -1, offset: BASE }

function indexOf(fs: MemoryFs, entries: TimestampOffset[], entryCountMax = 1000): TimeIndex {
  const index = TimeIndex.open(fs, PATH, BASE, entryCountMax)
  for (const { timestamp, offset } of entries) index.append(timestamp, offset)
  return index
}

function entriesOf(index: TimeIndex): TimestampOffset[] {
  return Array.from({ length: index.entryCount }, (_, i) => index.entryAt(i))
}

/** Kafka's bytes, written out by hand. */
function fileOf(...entries: [timestamp: number | bigint, relativeOffset: number][]): Uint8Array {
  const bytes = new Uint8Array(entries.length * 12)
  const view = new DataView(bytes.buffer)
  entries.forEach(([timestamp, relativeOffset], i) => {
    view.setBigInt64(i * 12, BigInt(timestamp))
    view.setInt32(i * 12 + 8, relativeOffset)
  })
  return bytes
}

describe('a time index', () => {
  it('is big-endian triples of an int64 timestamp and a relative offset', () => {
    const fs = new MemoryFs()
    indexOf(fs, [
      { timestamp: 0, offset: BASE },
      { timestamp: 1_700_000_000_123, offset: 141 },
      { timestamp: Number.MAX_SAFE_INTEGER, offset: BASE + 0x7fff_ffff },
    ]).close()
    expect(fs.bytes(PATH)).toEqual(fileOf([0, 0], [1_700_000_000_123, 41], [2n ** 53n - 1n, 0x7fff_ffff]))
  })

  it('has no last entry while it is empty', () => {
    const index = indexOf(new MemoryFs(), [])
    expect([index.lastEntry, index.lastTimestamp, index.lookup(5)]).toEqual([NONE, -1, NONE])
    index.append(7, 110)
    expect([index.lastEntry, index.lastTimestamp, index.sizeBytes]).toEqual([{ timestamp: 7, offset: 110 }, 7, 12])
  })

  it('ignores a timestamp that is not news and a second entry for an offset', () => {
    const index = indexOf(new MemoryFs(), [])
    index.append(-1, 105) // No timestamp.
    expect(index.entryCount).toBe(0)
    index.append(50, 110)
    index.append(50, 120)
    index.append(49, 130)
    index.append(-1, 140)
    index.append(50, 110, true)
    index.append(60, 110)
    expect(entriesOf(index)).toEqual([{ timestamp: 50, offset: 110 }])
    index.append(51, 111)
    expect(index.entryCount).toBe(2)
  })

  it('refuses offsets that go back or leave the segment', () => {
    const index = indexOf(new MemoryFs(), [{ timestamp: 50, offset: 110 }])
    expect(() => index.append(60, 109)).toThrow('offsets in the time index increase')
    expect(() => index.append(60, BASE + 2 ** 31)).toThrow('fits the segment')
    expect(() => indexOf(new MemoryFs(), [{ timestamp: 1, offset: 99 }])).toThrow('increase')
  })

  it('is full one entry early and keeps the last place for the entry that closes the segment', () => {
    const index = indexOf(new MemoryFs(), [], 3)
    index.append(1, 101)
    expect(index.isFull).toBe(false)
    index.append(2, 102)
    expect(index.isFull).toBe(true)
    index.append(2, 103) // Not news, so it needs no room.
    expect(() => index.append(3, 103)).toThrow('has room')
    index.append(3, 103, true)
    expect(index.lastEntry).toEqual({ timestamp: 3, offset: 103 })
  })

  it('finds the last entry at or before a time', () => {
    const entries = [10, 20, 30].map((timestamp) => ({ timestamp, offset: BASE + timestamp }))
    const index = indexOf(new MemoryFs(), entries)
    for (const [timestamp, found] of [
      [-5, NONE],
      [9, NONE],
      [10, entries[0]],
      [19, entries[0]],
      [20, entries[1]],
      [29, entries[1]],
      [30, entries[2]],
      [2 ** 52, entries[2]],
    ] as const) {
      expect(index.lookup(timestamp), `timestamp=${timestamp}`).toEqual(found)
    }
  })

  it('writes 64 entries with one call, the rest when asked', () => {
    const fs = new MemoryFs()
    const index = indexOf(fs, [])
    fs.calls.length = 0
    for (let i = 1; i <= 70; i++) index.append(i, BASE + i)
    expect(fs.calls).toEqual([`write ${PATH} 768`])
    index.sync()
    expect(fs.calls.slice(1)).toEqual([`write ${PATH} 72`, `sync ${PATH}`])
  })

  it('ignores the zeros that Kafka extends the file with, and trims them', () => {
    for (const [content, left] of [
      [fileOf([10, 1], [20, 2], [0, 0]), 2],
      [fileOf([10, 1], [20, 2], ...new Array<[number, number]>(50_000).fill([0, 0])), 2],
      [fileOf([0, 0], [10, 1]), 2], // A record at timestamp 0 has such an entry.
      [fileOf([0, 0]), 1],
      [fileOf([0, 0], [0, 0]), 0], // But in a file of zeros the first one is none either.
      [new Uint8Array(10_485_756), 0],
    ] as const) {
      const fs = new MemoryFs()
      fs.put(PATH, content)
      const index = TimeIndex.open(fs, PATH, BASE, 1000)
      expect([index.sanityCheck(), index.entryCount]).toEqual([undefined, left])
      index.close()
      expect(fs.bytes(PATH)).toEqual(content.slice(0, left * 12))
    }
  })

  it('is corrupt when entries do not increase, are negative, or are cut', () => {
    const cases: [what: RegExp, bytes: Uint8Array][] = [
      [/entry 1: .*does not come after/, fileOf([10, 1], [10, 2])],
      [/entry 1: .*does not come after/, fileOf([10, 1], [9, 2])],
      [/entry 1: .*does not come after/, fileOf([10, 1], [11, 1])],
      [/entry 1: .*does not come after/, fileOf([10, 2], [11, 1])],
      [/entry 1: .*does not come after/, fileOf([10, 1], [0, 0], [20, 2])],
      [/entry 0: .*negative/, fileOf([-1, 1])],
      [/entry 0: .*below the base offset/, fileOf([1, -1])],
      [/entry 0: .*safe integers/, fileOf([2n ** 53n, 1])],
      [/entry 1: .*safe integers/, fileOf([1, 1], [2n ** 62n, 2])],
      [/sizeBytes=23 is not a multiple/, fileOf([10, 1], [20, 2]).slice(0, 23)],
    ]
    for (const [what, bytes] of cases) {
      const fs = new MemoryFs()
      fs.put(PATH, bytes)
      const index = TimeIndex.open(fs, PATH, BASE, 1000)
      expect(index.sanityCheck()).toMatch(what)
      index.close()
      expect(fs.bytes(PATH), 'a corrupt file is left as it is').toEqual(bytes)
      const again = TimeIndex.open(fs, PATH, BASE, 1000)
      again.reset()
      again.append(5, 105)
      again.close()
      expect(fs.bytes(PATH)).toEqual(fileOf([5, 5]))
    }
  })

  it('drops entries from an offset on', () => {
    for (const [offset, left] of [
      [0, 0],
      [110, 0],
      [111, 1],
      [120, 1],
      [130, 2],
      [131, 3],
    ] as const) {
      const fs = new MemoryFs()
      const entries = [110, 120, 130].map((entryOffset) => ({ timestamp: entryOffset * 7, offset: entryOffset }))
      const index = indexOf(fs, entries)
      index.writeBuffered()
      index.truncateTo(offset)
      expect(entriesOf(index)).toEqual(entries.slice(0, left))
      expect(fs.bytes(PATH)).toHaveLength(left * 12)
      index.append(5000, 140)
      expect(index.lastEntry).toEqual({ timestamp: 5000, offset: 140 })
    }
  })

  it('never trusts a cut or a flipped bit that breaks the order', () => {
    const fs = new MemoryFs()
    const entries = [110, 250, 3000].map((offset) => ({ timestamp: 1_700_000_000_000 + offset, offset }))
    indexOf(fs, entries).close()
    const good = fs.bytes(PATH)
    for (const { what, bytes } of damaged(good)) {
      fs.put(PATH, bytes)
      const index = TimeIndex.open(fs, PATH, BASE, 1000)
      const found = entriesOf(index)
      for (let i = 1; i < found.length; i++) {
        expect(found[i]!.offset, what).toBeGreaterThan(found[i - 1]!.offset)
        expect(found[i]!.timestamp, what).toBeGreaterThan(found[i - 1]!.timestamp)
      }
      if (index.sanityCheck() === undefined && bytes.length < good.length) {
        expect(found, what).toEqual(entries.slice(0, bytes.length / 12))
      }
      for (const timestamp of [0, 1_700_000_000_300, 2 ** 50]) {
        expect(lookupTimestampInFile(fs, PATH, BASE, timestamp).offset, what).toBeGreaterThanOrEqual(BASE)
      }
    }
  })
})

describe('a lookup by time in the file by another thread', () => {
  it('gives no entry without a file, for an empty one, for zeros and for a part of an entry', () => {
    const fs = new MemoryFs()
    expect(lookupTimestampInFile(fs, PATH, BASE, 1000)).toEqual(NONE)
    for (let length = 0; length < 12; length++) {
      fs.put(PATH, new Uint8Array(length).fill(1))
      expect(lookupTimestampInFile(fs, PATH, BASE, 1000)).toEqual(NONE)
    }
    fs.put(PATH, new Uint8Array(120_000))
    expect(lookupTimestampInFile(fs, PATH, BASE, -1)).toEqual(NONE)
    expect(lookupTimestampInFile(fs, PATH, BASE, 1000).offset).toBe(BASE)
  })

  it('says so when the disk fails', () => {
    const fs = new MemoryFs()
    indexOf(fs, [{ timestamp: 1, offset: 110 }]).close()
    fs.failNext = { call: 'open', code: 'EMFILE' }
    expect(() => lookupTimestampInFile(fs, PATH, BASE, 1000)).toThrow(StorageError)
  })
})

it('agrees with a sorted list through random appends, truncations, reopenings and lookups', () => {
  const { seed, below } = seededRandom()
  for (let round = 0; round < 30; round++) {
    const fs = new MemoryFs()
    let index = indexOf(fs, [], 5000)
    let model: TimestampOffset[] = []
    let nextOffset = BASE
    for (let step = 0; step < 200; step++) {
      const where = `SEED=${seed} round=${round} step=${step}`
      const action = below(100)
      if (action < 60) {
        for (let count = below(30); count > 0; count--) {
          const last = model.at(-1) ?? { timestamp: 1_600_000_000_000, offset: BASE - 1 }
          nextOffset += 1 + below(5)
          const entry = { timestamp: last.timestamp + below(2000) - 300, offset: nextOffset }
          index.append(entry.timestamp, entry.offset)
          if (model.length === 0 || entry.timestamp > last.timestamp) model.push(entry)
        }
      } else if (action < 63) {
        const offset = BASE + below(nextOffset - BASE + 1)
        index.truncateTo(offset)
        model = model.filter((entry) => entry.offset < offset)
        nextOffset = offset
      } else if (action < 66) {
        index.close()
        fs.put(PATH, Buffer.concat([fs.bytes(PATH), new Uint8Array(12 * below(3000))]))
        index = TimeIndex.open(fs, PATH, BASE, 5000)
        if (fs.bytes(PATH).length === 12 && model.length === 0) index.reset() // One zero entry counts: see above.
        expect(index.sanityCheck(), where).toBeUndefined()
      } else {
        const timestamp = 1_600_000_000_000 + below(1_000_000)
        const expected = model.filter((entry) => entry.timestamp <= timestamp).at(-1) ?? NONE
        expect(index.lookup(timestamp), where).toEqual(expected)
        index.writeBuffered()
        // All that the file has of an empty index may be Kafka's zeros.
        if (model.length > 0) expect(lookupTimestampInFile(fs, PATH, BASE, timestamp), where).toEqual(expected)
      }
      expect([index.entryCount, index.lastEntry], where).toEqual([model.length, model.at(-1) ?? NONE])
    }
  }
})
