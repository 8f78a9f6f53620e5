import { describe, expect, it } from 'vitest'
import { StorageError } from '../../src/base/errors.ts'
import { lookupInFile, OffsetIndex } from '../../src/segment/offset-index.ts'
import type { File, OpenMode } from '../../src/base/env/env.ts'
import { damaged, MemoryFs, seededRandom } from '../log/memory-fs.ts'

const PATH = '/d/00000000000000000100.index'
const BASE = 100

interface Entry {
  offset: number
  position: number
}

function indexOf(fs: MemoryFs, entries: Entry[], entryCountMax = 1000): OffsetIndex {
  const index = OffsetIndex.open(fs, PATH, BASE, entryCountMax)
  for (const { offset, position } of entries) index.append(offset, position)
  return index
}

function entriesOf(index: OffsetIndex): Entry[] {
  return Array.from({ length: index.entryCount }, (_, i) => index.entryAt(i))
}

/** Kafka's bytes, written out by hand. */
function fileOf(...fields: number[]): Uint8Array {
  const bytes = new Uint8Array(fields.length * 4)
  const view = new DataView(bytes.buffer)
  fields.forEach((field, i) => view.setInt32(i * 4, field))
  return bytes
}

function modelLookup(entries: Entry[], offset: number): number {
  return entries.filter((entry) => entry.offset <= offset).at(-1)?.position ?? 0
}

describe('an offset index', () => {
  it('is big-endian pairs of relative offset and position', () => {
    const fs = new MemoryFs()
    indexOf(fs, [
      { offset: 141, position: 4100 },
      { offset: BASE + 0x7fff_ffff, position: 0x7fff_ffff },
    ]).close()
    expect(fs.bytes(PATH)).toEqual(fileOf(41, 4100, 0x7fff_ffff, 0x7fff_ffff))
  })

  it('knows its end: base offset and position 0 while it is empty', () => {
    const index = indexOf(new MemoryFs(), [])
    expect([index.entryCount, index.lastOffset, index.lastPosition, index.lookup(5000)]).toEqual([0, BASE, 0, 0])
    index.append(120, 77)
    expect([index.entryCount, index.lastOffset, index.lastPosition, index.sizeBytes]).toEqual([1, 120, 77, 8])
  })

  it('finds the last entry at or before an offset', () => {
    const index = indexOf(new MemoryFs(), [
      { offset: 110, position: 1 },
      { offset: 120, position: 2 },
      { offset: 130, position: 3 },
    ])
    const found = [0, 99, 100, 109, 110, 111, 119, 120, 129, 130, 131, 2 ** 40].map((offset) => index.lookup(offset))
    expect(found).toEqual([0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3])
  })

  it('refuses entries out of order, out of range, or beyond its size', () => {
    const index = indexOf(new MemoryFs(), [{ offset: 110, position: 10 }], 2)
    expect(() => index.append(110, 20)).toThrow('offsets increase')
    expect(() => index.append(111, 10)).toThrow('positions increase')
    expect(() => index.append(99, 20)).toThrow('fits the segment')
    expect(() => indexOf(new MemoryFs(), [{ offset: BASE, position: 0 }])).toThrow('all zeros')
    expect(() => index.append(BASE + 2 ** 31, 20)).toThrow('fits the segment')
    expect(() => index.append(111, 2 ** 31)).toThrow('fits the segment')
    expect(index.isFull).toBe(false)
    index.append(111, 11)
    expect(index.isFull).toBe(true)
    expect(() => index.append(112, 12)).toThrow('has room')
  })

  it('writes 64 entries with one call, the rest when asked', () => {
    const fs = new MemoryFs()
    const index = indexOf(fs, [])
    fs.calls.length = 0
    for (let i = 1; i <= 130; i++) index.append(BASE + i, i)
    expect(fs.calls).toEqual([`write ${PATH} 512`, `write ${PATH} 512`])
    index.writeBuffered()
    index.writeBuffered()
    expect(fs.calls.slice(2)).toEqual([`write ${PATH} 16`])
    index.sync()
    index.close()
    expect(fs.calls.slice(3)).toEqual([`sync ${PATH}`])
    expect(fs.openCount).toBe(0)
    expect(entriesOf(OffsetIndex.open(fs, PATH, BASE, 1000))).toHaveLength(130)
  })

  it('ignores the zeros that Kafka extends the file with, and trims them', () => {
    for (const zeros of [2, 4, 20, 40_000]) {
      const fs = new MemoryFs()
      fs.put(PATH, fileOf(10, 100, 20, 200, ...new Array<number>(zeros).fill(0)))
      const index = OffsetIndex.open(fs, PATH, BASE, 1000)
      expect(index.sanityCheck()).toBeUndefined()
      expect(entriesOf(index)).toEqual([
        { offset: 110, position: 100 },
        { offset: 120, position: 200 },
      ])
      expect(lookupInFile(fs, PATH, BASE, 10_000)).toBe(200)
      index.append(130, 300)
      index.close()
      expect(fs.bytes(PATH)).toEqual(fileOf(10, 100, 20, 200, 30, 300))
    }
    for (const sizeBytes of [8, 16, 10_485_760]) {
      const fs = new MemoryFs()
      fs.put(PATH, new Uint8Array(sizeBytes))
      const index = OffsetIndex.open(fs, PATH, BASE, 1000)
      expect([index.sanityCheck(), index.entryCount]).toEqual([undefined, 0])
      expect(lookupInFile(fs, PATH, BASE, 10_000)).toBe(0)
    }
  })

  it('is corrupt when entries do not increase, go below the base, or are cut', () => {
    const cases: [what: RegExp, bytes: Uint8Array][] = [
      [/entry 1: .*does not come after/, fileOf(10, 100, 10, 200)],
      [/entry 1: .*does not come after/, fileOf(10, 100, 20, 100)],
      [/entry 1: .*does not come after/, fileOf(10, 100, 9, 200)],
      [/entry 1: .*all zeros/, fileOf(10, 100, 0, 0, 20, 200)], // A hole inside.
      [/entry 0: .*all zeros/, fileOf(0, 0, 20, 200)],
      [/entry 0: .*below the base offset/, fileOf(-1, 100)],
      [/entry 0: .*negative/, fileOf(1, -100)],
      [/sizeBytes=15 is not a multiple/, fileOf(10, 100, 20, 200).slice(0, 15)],
      [/sizeBytes=3 is not a multiple/, new Uint8Array(3)],
    ]
    for (const [what, bytes] of cases) {
      const fs = new MemoryFs()
      fs.put(PATH, bytes)
      const index = OffsetIndex.open(fs, PATH, BASE, 1000)
      expect(index.sanityCheck()).toMatch(what)
      expect(() => index.append(5000, 5000)).toThrow('reset before it is used')
      index.close()
      expect(fs.bytes(PATH), 'a corrupt file is left as it is').toEqual(bytes)

      const again = OffsetIndex.open(fs, PATH, BASE, 1000)
      again.reset()
      expect([again.sanityCheck(), again.entryCount, fs.bytes(PATH).length]).toEqual([undefined, 0, 0])
      again.append(105, 50)
      again.close()
      expect(fs.bytes(PATH)).toEqual(fileOf(5, 50))
    }
  })

  it('takes no memory by the size of a file, only by the entries it finds good', () => {
    // A terabyte: an array of that size cannot be had.
    class HugeFs extends MemoryFs {
      override open(path: string, mode: OpenMode): File {
        const read = (target: Uint8Array, start: number, length: number): number => {
          target.fill(0x7f, start, start + length)
          return length
        }
        return Object.assign(super.open(path, mode), { sizeBytes: () => 2 ** 40, read })
      }
    }
    const fs = new HugeFs()
    fs.put(PATH, '')
    expect(OffsetIndex.open(fs, PATH, BASE, 1000).sanityCheck()).toMatch(/entry 1/)
  })

  it('drops entries from an offset on, in memory and in the file', () => {
    for (const written of [false, true]) {
      const fs = new MemoryFs()
      const entries = [110, 120, 130].map((offset) => ({ offset, position: offset * 2 }))
      for (const [offset, left] of [
        [0, 0],
        [110, 0],
        [111, 1],
        [120, 1],
        [130, 2],
        [131, 3],
      ] as const) {
        fs.files.clear()
        const index = indexOf(fs, entries)
        if (written) index.writeBuffered()
        index.truncateTo(offset)
        expect(entriesOf(index)).toEqual(entries.slice(0, left))
        if (written) expect(fs.bytes(PATH)).toHaveLength(left * 8)
        index.append(140, 5000)
        index.close()
        expect(entriesOf(OffsetIndex.open(fs, PATH, BASE, 1000))).toEqual([
          ...entries.slice(0, left),
          { offset: 140, position: 5000 },
        ])
      }
    }
  })

  it('says what the disk said, and closes without another write', () => {
    const fs = new MemoryFs()
    const index = indexOf(fs, [{ offset: 110, position: 10 }])
    fs.failNext = { call: 'write', code: 'ENOSPC' }
    expect(() => index.writeBuffered()).toThrow(StorageError)
    index.abandon()
    index.close()
    expect(fs.openCount).toBe(0)
    expect(fs.bytes(PATH)).toHaveLength(0)

    const second = indexOf(fs, [{ offset: 110, position: 10 }])
    fs.failNext = { call: 'sync', code: 'EIO' }
    expect(() => second.sync()).toThrow(/sync of .*EIO/)
    fs.failNext = { call: 'read', code: 'EIO' }
    expect(() => OffsetIndex.open(fs, PATH, BASE, 10)).toThrow(StorageError)
    expect(fs.openCount).toBe(1)
    fs.failNext = { call: 'truncate', code: 'EIO' }
    expect(() => second.reset()).toThrow(StorageError)
  })

  it('is opened by tools without a change', () => {
    const fs = new MemoryFs()
    const bytes = fileOf(10, 100, 0, 0, 0, 0)
    fs.put(PATH, bytes)
    const index = OffsetIndex.openReadOnly(fs, PATH, BASE)
    expect(entriesOf(index)).toEqual([{ offset: 110, position: 100 }])
    expect(() => index.append(120, 200)).toThrow('has room')
    expect(() => index.reset()).toThrow('open for writing')
    index.close()
    expect(fs.bytes(PATH)).toEqual(bytes)
    expect(() => OffsetIndex.openReadOnly(fs, '/d/none', BASE)).toThrow(StorageError)
  })

  it('never trusts a cut or a flipped bit that breaks the order', () => {
    const fs = new MemoryFs()
    const entries = [110, 250, 3000, 70_000].map((offset) => ({ offset, position: offset * 50 }))
    indexOf(fs, entries).close()
    const good = fs.bytes(PATH)
    let undetected = 0
    for (const { what, bytes } of damaged(good)) {
      fs.put(PATH, bytes)
      const index = OffsetIndex.open(fs, PATH, BASE, 1000)
      const found = entriesOf(index)
      for (let i = 1; i < found.length; i++) {
        expect(found[i]!.offset, what).toBeGreaterThan(found[i - 1]!.offset)
        expect(found[i]!.position, what).toBeGreaterThan(found[i - 1]!.position)
      }
      if (index.sanityCheck() === undefined) {
        if (bytes.length < good.length) expect(found, what).toEqual(entries.slice(0, bytes.length / 8))
        else undetected += 1
      }
      for (const offset of [0, 100, 260, 1_000_000]) {
        expect(lookupInFile(fs, PATH, BASE, offset), what).toBeGreaterThanOrEqual(0)
      }
    }
    // A changed value between its neighbours: only the batch at the position can tell.
    expect(undetected).toBeGreaterThan(0)
    expect(undetected).toBeLessThan(good.length * 8)
  })
})

describe('a lookup in the file by another thread', () => {
  it('gives 0 without a file, for an empty one and for a part of an entry', () => {
    const fs = new MemoryFs()
    expect(lookupInFile(fs, PATH, BASE, 1000)).toBe(0)
    for (let length = 0; length < 8; length++) {
      fs.put(PATH, new Uint8Array(length).fill(1))
      expect(lookupInFile(fs, PATH, BASE, 1000)).toBe(0)
    }
    expect(fs.openCount).toBe(0)
  })

  it('agrees with the index for every offset of a long file', () => {
    const fs = new MemoryFs()
    const index = indexOf(fs, [], 3000)
    for (let i = 1; i <= 3000; i++) {
      index.append(BASE + i * 2, i * 100)
      if (i % 1100 !== 0 && i !== 3000) continue
      index.writeBuffered()
      for (let offset = BASE - 1; offset <= BASE + i * 2 + 2; offset++) {
        expect(lookupInFile(fs, PATH, BASE, offset)).toBe(index.lookup(offset))
        fs.calls.length = 0
      }
    }
  })

  it('says so when the disk fails', () => {
    const fs = new MemoryFs()
    indexOf(fs, [{ offset: 110, position: 10 }]).close()
    fs.failNext = { call: 'read', code: 'EIO' }
    expect(() => lookupInFile(fs, PATH, BASE, 1000)).toThrow(StorageError)
    expect(fs.openCount).toBe(0)
  })

  it('survives a file that shrinks between two reads', () => {
    class ShrinkingFs extends MemoryFs {
      reads = 0
      override note(call: string): void {
        super.note(call)
        if (call.startsWith('read') && ++this.reads === 2) this.files.set(PATH, this.bytes(PATH).slice(0, 804))
      }
    }
    const fs = new ShrinkingFs()
    indexOf(fs, [], 10_000).close()
    fs.put(PATH, fileOf(...Array.from({ length: 8000 }, (_, i) => i + 1)))
    expect(lookupInFile(fs, PATH, BASE, 100_000)).toBeLessThanOrEqual(200)
    expect(fs.reads).toBeGreaterThan(2)
    expect(fs.openCount).toBe(0)
  })

  it('ends with a position that is 0 or more, whatever the bytes', () => {
    const { seed, below } = seededRandom()
    for (let round = 0; round < 300; round++) {
      const fs = new MemoryFs()
      const bytes = new Uint8Array(below(20_000))
      for (let i = 0; i < bytes.length; i++) bytes[i] = below(3) === 0 ? below(256) : 0
      fs.put(PATH, bytes)
      const position = lookupInFile(fs, PATH, BASE, BASE + below(2 ** 31))
      expect(position, `SEED=${seed} round=${round}`).toBeGreaterThanOrEqual(0)
    }
  })
})

it('agrees with a sorted list through random appends, truncations, reopenings and lookups', () => {
  const { seed, below } = seededRandom()
  for (let round = 0; round < 30; round++) {
    const fs = new MemoryFs()
    let index = indexOf(fs, [], 5000)
    let model: Entry[] = []
    for (let step = 0; step < 200; step++) {
      const where = `SEED=${seed} round=${round} step=${step}`
      const action = below(100)
      if (action < 60) {
        for (let count = below(30); count > 0; count--) {
          const last = model.at(-1) ?? { offset: BASE, position: 0 }
          const entry = { offset: last.offset + 1 + below(9), position: last.position + 61 + below(5000) }
          index.append(entry.offset, entry.position)
          model.push(entry)
        }
      } else if (action < 63) {
        const offset = BASE + below(index.lastOffset - BASE + 10)
        index.truncateTo(offset)
        model = model.filter((entry) => entry.offset < offset)
      } else if (action < 66) {
        index.close()
        expect(fs.bytes(PATH).length, where).toBe(model.length * 8)
        if (below(2) === 0) fs.put(PATH, Buffer.concat([fs.bytes(PATH), new Uint8Array(8 * below(3000))]))
        index = OffsetIndex.open(fs, PATH, BASE, 5000)
        expect(index.sanityCheck(), where).toBeUndefined()
      } else if (action < 67) {
        index.reset()
        model = []
      } else {
        const offset = BASE - 2 + below(index.lastOffset - BASE + 10)
        expect(index.lookup(offset), where).toBe(modelLookup(model, offset))
        expect(lookupInFile(fs, PATH, BASE, offset), where).toBeLessThanOrEqual(modelLookup(model, offset))
        index.writeBuffered()
        expect(lookupInFile(fs, PATH, BASE, offset), where).toBe(modelLookup(model, offset))
      }
      expect([index.entryCount, index.lastPosition], where).toEqual([model.length, model.at(-1)?.position ?? 0])
    }
  }
})
