import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import type { File } from '../../src/base/env/env.ts'
import { createSimEnv } from '../../src/base/env/sim-env.ts'
import { RecordBatchView } from '../../src/record/batch-view.ts'
import { BatchScan, findBatchBehind, findNextBatch, judgeOffsetJump } from '../../src/segment/batch-scan.ts'
import { buildBatch, T0 } from '../record/batches.ts'
import { mulberry32, testSeed } from '../random.ts'

function fileOf(...parts: Uint8Array[]): { file: File; sizeBytes: number; reads: () => number } {
  let reads = 0
  const env = createSimEnv(1, {
    onOperation: ({ kind }) => {
      if (kind === 'read') reads += 1
    },
  })
  const bytes = Buffer.concat(parts)
  const file = env.fs.open('/x.log', 'create')
  if (bytes.length > 0) file.write(bytes, 0, bytes.length, 0)
  return { file, sizeBytes: bytes.length, reads: () => reads }
}

/** `count` batches of 3 records each, from offset 100 on. */
function batches(count: number, valueBytes = 10): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => buildBatch({ count: 3, baseOffset: 100 + 3 * i, valueBytes }))
}

function offsets(scan: BatchScan): number[] {
  const found: number[] = []
  while (scan.next()) found.push(scan.batch.baseOffset)
  return found
}

const totalOf = (parts: Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0)

describe('a scan', () => {
  it.each([true, false])('walks every batch, with CRC or without (%s), from any batch to any end', (checkCrc) => {
    const parts = batches(20)
    const { file, sizeBytes } = fileOf(...parts)
    const all = parts.map((_, i) => 100 + 3 * i)
    expect(offsets(new BatchScan(file, 0, sizeBytes, checkCrc))).toEqual(all)
    const fromFifth = totalOf(parts.slice(0, 5))
    expect(offsets(new BatchScan(file, fromFifth, sizeBytes, checkCrc))).toEqual(all.slice(5))
    expect(offsets(new BatchScan(file, fromFifth, totalOf(parts.slice(0, 8)), checkCrc))).toEqual(all.slice(5, 8))
    expect(offsets(new BatchScan(file, 0, 0, checkCrc))).toEqual([])
  })

  it('tells where the batch lies and where the next one would', () => {
    const parts = batches(2)
    const { file, sizeBytes } = fileOf(...parts)
    const scan = new BatchScan(file, 0, sizeBytes)
    scan.next()
    expect([scan.position, scan.nextPosition]).toEqual([0, parts[0]!.length])
    scan.next()
    expect([scan.position, scan.nextPosition]).toEqual([parts[0]!.length, sizeBytes])
    expect(scan.next()).toBe(false)
    expect(scan.fault).toBeUndefined()
    expect(scan.position).toBe(sizeBytes)
  })

  it('reads batches larger than its buffer, and many smaller ones with one read', () => {
    const parts = [
      ...batches(50),
      buildBatch({ count: 1, baseOffset: 250, valueBytes: 3 << 20 }),
      buildBatch({ baseOffset: 251 }),
    ]
    const { file, sizeBytes, reads } = fileOf(...parts)
    expect(offsets(new BatchScan(file, 0, sizeBytes)).slice(-2)).toEqual([250, 251])
    expect(reads()).toBeLessThan(12)
  })

  it('of headers does not read the records', () => {
    const { file, sizeBytes } = fileOf(...batches(4, 200_000))
    let bytes = 0
    const counting: File = Object.create(file, {
      read: {
        value: (target: Uint8Array, at: number, length: number, position: number) => {
          bytes += length
          return file.read(target, at, length, position)
        },
      },
    }) as File
    expect(offsets(new BatchScan(counting, 0, sizeBytes, false))).toEqual([100, 103, 106, 109])
    expect(bytes).toBeLessThan(sizeBytes / 50)
  })

  it('of headers has the whole of a control batch at hand', () => {
    const control = buildBatch({
      records: [{ timestamp: T0, key: Uint8Array.of(0, 0, 0, 1), value: new Uint8Array(6), headers: [] }],
      flags: 0x30,
      baseOffset: 103,
    })
    // The header fits the first read, the records do not.
    const first = buildBatch({ baseOffset: 100, valueBytes: 4096 - 61 - 90 })
    const { file, sizeBytes } = fileOf(first, control)
    const scan = new BatchScan(file, 0, sizeBytes, false)
    scan.next()
    scan.next()
    expect(scan.batch.isControl).toBe(true)
    expect(scan.batch.computeCrc()).toBe(scan.batch.crc)
  })

  it.each([true, false])('stops at a cut, at every byte of the last batch (CRC checked: %s)', (checkCrc) => {
    const parts = batches(3)
    const whole = totalOf(parts.slice(0, 2))
    for (let cut = 1; cut < parts[2]!.length; cut++) {
      const { file, sizeBytes } = fileOf(parts[0]!, parts[1]!, parts[2]!.subarray(0, cut))
      const scan = new BatchScan(file, 0, sizeBytes, checkCrc)
      expect(offsets(scan), `${cut} bytes`).toEqual([100, 103])
      expect(scan.fault, `${cut} bytes`).toMatch(/bytes/)
      expect(scan.position).toBe(whole)
      expect(() => scan.next()).toThrow(AssertionFailed)
    }
  })

  it('stops at zeros, at garbage, and where the file is shorter than it was said to be', () => {
    const parts = batches(2)
    for (const tail of [new Uint8Array(500), new Uint8Array(500).fill(0xff), new Uint8Array(500).fill(2)]) {
      const { file, sizeBytes } = fileOf(...parts, tail)
      const scan = new BatchScan(file, 0, sizeBytes)
      expect(offsets(scan)).toEqual([100, 103])
      expect(scan.fault).toBeDefined()
    }
    const { file, sizeBytes } = fileOf(...parts)
    const scan = new BatchScan(file, 0, sizeBytes + 200)
    expect(offsets(scan)).toEqual([100, 103])
    expect(scan.fault).toMatch(/the file ends before/)
  })

  it('does not take memory for a length that is damage', () => {
    const bytes = buildBatch({ count: 3, baseOffset: 100 })
    new DataView(bytes.buffer).setInt32(8, 0x7000_0000)
    const { file } = fileOf(bytes)
    const scan = new BatchScan(file, 0, 2 ** 33)
    expect(scan.next()).toBe(false)
    expect(scan.fault).toMatch(/batch size 1879048204 is over/)
  })
})

describe('the search behind damage', () => {
  it('finds the next batch at every distance, and none where none is', () => {
    const [first, second] = batches(2) as [Uint8Array, Uint8Array]
    for (let gap = 0; gap < 130; gap++) {
      const { file, sizeBytes } = fileOf(first, new Uint8Array(gap).fill(2), second)
      expect(findNextBatch(file, 1, sizeBytes, 101), `gap of ${gap}`).toBe(first.length + gap)
      expect(findNextBatch(file, first.length + gap + 1, sizeBytes, 0), `gap of ${gap}`).toBe(-1)
    }
  })

  it('ends in a range of any size, one that holds exactly a header too', () => {
    const { file, sizeBytes } = fileOf(new Uint8Array(2 << 20).fill(2))
    for (const length of [0, 1, 60, 61, 62, 1 << 20, (1 << 20) + 60, (1 << 20) + 61, sizeBytes]) {
      expect(findNextBatch(file, 0, length, 0), `${length} bytes`).toBe(-1)
    }
  })

  it('finds a batch across the border of two reads', () => {
    const batch = buildBatch({ count: 3, baseOffset: 7, valueBytes: 100 })
    for (const before of [-70, -61, -60, -30, -1, 0, 1]) {
      const { file, sizeBytes } = fileOf(new Uint8Array((1 << 20) + before).fill(9), batch)
      expect(findNextBatch(file, 0, sizeBytes, 0), `${before}`).toBe((1 << 20) + before)
    }
  })

  it('takes only offsets in the range that was asked for', () => {
    const parts = batches(3)
    const { file, sizeBytes } = fileOf(...parts)
    expect(findNextBatch(file, 1, sizeBytes, 0)).toBe(parts[0]!.length)
    expect(findNextBatch(file, 1, sizeBytes, 104)).toBe(parts[0]!.length + parts[1]!.length)
    expect(findNextBatch(file, 1, sizeBytes, 0, 103)).toBe(-1)
  })

  it('believes the length of a damaged batch before it looks into its records', () => {
    const inner = buildBatch({ count: 1, baseOffset: 200 })
    const outer = buildBatch({ records: [{ timestamp: T0, key: null, value: inner, headers: [] }], baseOffset: 103 })
    const last = buildBatch({ count: 1, baseOffset: 104 })
    const [first] = batches(1) as [Uint8Array]
    const damaged = outer.slice()
    damaged[damaged.length - 1]! ^= 1
    const { file, sizeBytes } = fileOf(first, damaged, last)
    expect(findBatchBehind(file, first.length, sizeBytes, 103)).toBe(first.length + outer.length)
    expect(findNextBatch(file, first.length + 1, sizeBytes, 103), 'what a search would find').toBeLessThan(
      first.length + outer.length,
    )
  })

  it('goes by lengths over several damaged batches, and searches where a length leads nowhere', () => {
    const parts = batches(6).map((part) => part.slice())
    for (const index of [1, 2, 3]) parts[index]![70]! ^= 0xff
    const { file, sizeBytes } = fileOf(...parts)
    expect(findBatchBehind(file, parts[0]!.length, sizeBytes, 103)).toBe(totalOf(parts.slice(0, 4)))
    parts[1]![8] = 0x7f
    const other = fileOf(...parts)
    expect(findBatchBehind(other.file, parts[0]!.length, other.sizeBytes, 103)).toBe(totalOf(parts.slice(0, 4)))
  })

  it('over much damage computes few CRCs: random bytes, one repeated byte, headers that lie', () => {
    const seed = testSeed()
    const random = mulberry32(seed)
    const noise = Uint8Array.from({ length: 4 << 20 }, () => Math.floor(random() * 256))
    const lie = buildBatch({ count: 1, baseOffset: 5 }).subarray(0, 61).slice()
    new DataView(lie.buffer).setInt32(8, 900_000)
    const lies = new Uint8Array(2 << 20)
    for (let i = 0; i + 61 <= lies.length; i += 61) lies.set(lie, i)
    for (const damage of [noise, new Uint8Array(4 << 20).fill(2), lies]) {
      const good = buildBatch({ count: 1, baseOffset: 1000 })
      const { file, sizeBytes } = fileOf(damage, good)
      let bytesRead = 0
      const counting: File = Object.create(file, {
        read: {
          value: (target: Uint8Array, at: number, length: number, position: number) => {
            bytesRead += length
            return file.read(target, at, length, position)
          },
        },
      }) as File
      expect(findNextBatch(counting, 0, sizeBytes, 6), `SEED=${seed}`).toBe(damage.length)
      expect(bytesRead).toBeLessThan(2 * sizeBytes)
    }
  })

  it('gives up on crafted bytes when it has computed CRCs of a gigabyte', () => {
    const lie = buildBatch({ count: 1, baseOffset: 5 }).subarray(0, 61).slice()
    new DataView(lie.buffer).setInt32(8, 8 << 20)
    const lies = new Uint8Array(32 << 20)
    for (let i = 0; i + 61 <= lies.length; i += 61) lies.set(lie, i)
    const { file, sizeBytes } = fileOf(lies, buildBatch({ count: 1, baseOffset: 6 }))
    let bytesRead = 0
    const counting: File = Object.create(file, {
      read: {
        value: (target: Uint8Array, at: number, length: number, position: number) => {
          bytesRead += length
          return file.read(target, at, length, position)
        },
      },
    }) as File
    expect(findNextBatch(counting, 0, sizeBytes, 0)).toBe(-1)
    expect(bytesRead).toBeLessThan(1.2 * 2 ** 30)
  })
})

describe('an offset that jumps', () => {
  const at = (baseOffset: number): Uint8Array => buildBatch({ count: 3, baseOffset })
  const judge = (...following: Uint8Array[]): string => {
    // The batch before ended at 100; this one claims 132 to 134.
    const jumping = at(132)
    const { file, sizeBytes } = fileOf(jumping, ...following)
    return judgeOffsetJump(file, jumping.length, sizeBytes, 100, new RecordBatchView(jumping).at(0).lastOffset)
  }

  it('is damage if the next batch goes on where it should not, a hole if that goes on behind, else not known', () => {
    expect(judge(at(103))).toBe('damaged')
    expect(judge(at(134))).toBe('damaged')
    expect(judge(at(135))).toBe('hole')
    expect(judge(at(200))).toBe('hole')
    expect(judge()).toBe('unknown')
    expect(judge(new Uint8Array(100))).toBe('unknown')
    expect(judge(at(50)), 'itself damaged').toBe('unknown')
  })
})
