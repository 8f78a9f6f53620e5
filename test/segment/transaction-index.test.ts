import { describe, expect, it } from 'vitest'
import { CorruptRecordError, StorageError } from '../../src/base/errors.ts'
import { collectAbortedInFile, TransactionIndex, type AbortedTransaction } from '../../src/segment/transaction-index.ts'
import { damaged, MemoryFs, seededRandom } from '../log/memory-fs.ts'

const PATH = '/d/00000000000000000100.txnindex'
const BASE = 100

function transaction(producerId: number, firstOffset: number, lastOffset: number, lastStableOffset: number) {
  return { producerId, firstOffset, lastOffset, lastStableOffset }
}

const THREE = [transaction(7, 50, 110, 80), transaction(8, 80, 150, 151), transaction(7, 160, 200, 201)]

function indexOf(fs: MemoryFs, transactions: AbortedTransaction[]): TransactionIndex {
  const index = TransactionIndex.open(fs, PATH, BASE)
  for (const each of transactions) index.append(each)
  return index
}

describe('a transaction index', () => {
  it('is 34 bytes an entry: version, producer id, first, last and last stable offset', () => {
    const fs = new MemoryFs()
    indexOf(fs, [transaction(0x0102_0304_0506, 2 ** 33, 2 ** 40, 2 ** 40 + 1)]).close()
    const expected = new DataView(new ArrayBuffer(34))
    expected.setBigInt64(2, 0x0102_0304_0506n)
    expected.setBigInt64(10, 2n ** 33n)
    expected.setBigInt64(18, 2n ** 40n)
    expected.setBigInt64(26, 2n ** 40n + 1n)
    expect(fs.bytes(PATH)).toEqual(new Uint8Array(expected.buffer))
  })

  it('makes no file until there is an entry', () => {
    const fs = new MemoryFs()
    const index = indexOf(fs, [])
    index.sync()
    index.truncateTo(0)
    index.reset()
    expect([index.sanityCheck(), index.all(), index.file]).toEqual([undefined, [], undefined])
    index.close()
    expect(fs.files.size).toBe(0)
    expect(collectAbortedInFile(fs, PATH, BASE, 0, 1000)).toEqual({ transactions: [], isComplete: false })
  })

  it('has written an entry when append returns', () => {
    const fs = new MemoryFs()
    const index = indexOf(fs, [])
    THREE.forEach((each, i) => {
      index.append(each)
      expect(fs.bytes(PATH)).toHaveLength((i + 1) * 34)
    })
    expect(index.all()).toEqual(THREE)
    index.close()
    expect(indexOf(fs, []).all()).toEqual(THREE)
  })

  it('refuses markers out of order and transactions that end before they begin', () => {
    const index = indexOf(new MemoryFs(), [transaction(7, 50, 110, 80)])
    expect(() => index.append(transaction(7, 100, 110, 111))).toThrow('in order')
    expect(() => index.append(transaction(7, 121, 120, 121))).toThrow('begins at or before')
    expect(() => index.append(transaction(-1, 111, 120, 121))).toThrow('producer id')
    expect(() => indexOf(new MemoryFs(), [transaction(7, 50, 99, 99)])).toThrow('lies in the segment')
  })

  it('collects the transactions that overlap a range, and knows when no later segment can add one', () => {
    const fs = new MemoryFs()
    const index = indexOf(fs, THREE)
    const cases: [fetchOffset: number, upperBoundOffset: number, found: number[], isComplete: boolean][] = [
      [0, 50, [], true], // The stable offset of the first one is 80.
      [0, 51, [0], true],
      [0, 80, [0], true],
      [0, 81, [0, 1], true],
      [110, 111, [0, 1], true], // The marker's own offset belongs to the transaction.
      [111, 151, [1], true],
      [151, 152, [], true],
      [151, 201, [2], true],
      [151, 202, [2], false],
      [201, 300, [], false],
      [0, 10_000, [0, 1, 2], false],
    ]
    for (const [fetchOffset, upperBoundOffset, found, isComplete] of cases) {
      const expected = { transactions: found.map((i) => THREE[i]), isComplete }
      const where = `${fetchOffset} .. ${upperBoundOffset}`
      expect(index.collectAborted(fetchOffset, upperBoundOffset), where).toEqual(expected)
      expect(collectAbortedInFile(fs, PATH, BASE, fetchOffset, upperBoundOffset), where).toEqual(expected)
    }
  })

  it('drops transactions whose marker is at an offset or beyond', () => {
    for (const [offset, left] of [
      [0, 0],
      [110, 0],
      [111, 1],
      [150, 1],
      [200, 2],
      [201, 3],
    ] as const) {
      const fs = new MemoryFs()
      const index = indexOf(fs, THREE)
      index.truncateTo(offset)
      expect(index.all()).toEqual(THREE.slice(0, left))
      expect(fs.bytes(PATH)).toHaveLength(left * 34)
      index.append(transaction(9, 300, 310, 311))
      expect(indexOf(fs, []).all()).toEqual([...THREE.slice(0, left), transaction(9, 300, 310, 311)])
    }
  })

  it('shows readers no entry that is only partly written', () => {
    const fs = new MemoryFs()
    indexOf(fs, THREE)
    fs.put(PATH, fs.bytes(PATH).slice(0, 2 * 34 + 20))
    expect(collectAbortedInFile(fs, PATH, BASE, 0, 1000).transactions).toEqual(THREE.slice(0, 2))
    expect(TransactionIndex.open(fs, PATH, BASE).sanityCheck()).toMatch('not a multiple')
  })

  it('is corrupt with an unknown version, a wrong order or impossible offsets, for owner and readers', () => {
    const edits: [what: RegExp, edit: (view: DataView) => void][] = [
      [/entry 1: version=1/, (view) => view.setInt16(34, 1)],
      [/entry 1: .*byte 2 is negative/, (view) => view.setBigInt64(34 + 2, -1n)],
      [/entry 0: .*byte 26 is outside the safe integers/, (view) => view.setBigInt64(26, 2n ** 60n)],
      [/entry 1: firstOffset=151 is above/, (view) => view.setBigInt64(34 + 10, 151n)],
      [/entry 0: .*below the base offset/, (view) => view.setBigInt64(18, 99n)],
      [/entry 2: .*does not come after/, (view) => (view.setBigInt64(68 + 10, 1n), view.setBigInt64(68 + 18, 150n))],
    ]
    for (const [what, edit] of edits) {
      const fs = new MemoryFs()
      indexOf(fs, THREE).close()
      const bytes = fs.bytes(PATH)
      edit(new DataView(bytes.buffer, bytes.byteOffset))
      const index = TransactionIndex.open(fs, PATH, BASE)
      expect(index.sanityCheck()).toMatch(what)
      expect(() => index.collectAborted(0, 1000)).toThrow('reset before it is used')
      expect(() => collectAbortedInFile(fs, PATH, BASE, 0, 1000)).toThrow(CorruptRecordError)
      expect(() => collectAbortedInFile(fs, PATH, BASE, 0, 1000)).toThrow(what)
      index.close()
      expect(fs.bytes(PATH)).toHaveLength(102)
      const again = TransactionIndex.open(fs, PATH, BASE)
      again.reset()
      expect([again.sanityCheck(), fs.bytes(PATH).length]).toEqual([undefined, 0])
    }
  })

  it('gives typed errors for every cut and flipped bit, or keeps its order', () => {
    const fs = new MemoryFs()
    indexOf(fs, THREE).close()
    for (const { what, bytes } of damaged(fs.bytes(PATH))) {
      fs.put(PATH, bytes)
      const index = TransactionIndex.open(fs, PATH, BASE)
      const all = index.all()
      for (let i = 1; i < all.length; i++) expect(all[i]!.lastOffset, what).toBeGreaterThan(all[i - 1]!.lastOffset)
      try {
        collectAbortedInFile(fs, PATH, BASE, 0, 1000)
      } catch (error) {
        expect(error, what).toBeInstanceOf(CorruptRecordError)
        expect(index.sanityCheck(), what).toBeDefined()
      }
    }
  })

  it('says what the disk said', () => {
    const fs = new MemoryFs()
    const index = indexOf(fs, [])
    fs.failNext = { call: 'open', code: 'EMFILE' }
    expect(() => index.append(THREE[0]!)).toThrow(StorageError)
    index.abandon()
    expect(fs.openCount).toBe(0)
    expect(fs.files.size).toBe(0)
  })
})

it('agrees with a plain list for random transactions and ranges', () => {
  const { seed, below } = seededRandom()
  for (let round = 0; round < 200; round++) {
    const fs = new MemoryFs()
    const index = indexOf(fs, [])
    const model: AbortedTransaction[] = []
    let lastOffset = BASE
    for (let count = below(20); count > 0; count--) {
      lastOffset += 1 + below(20)
      const each = transaction(below(5), lastOffset - below(60), lastOffset, lastOffset + 1)
      index.append(each)
      model.push(each)
    }
    for (let query = 0; query < 20; query++) {
      const from = below(lastOffset + 10)
      const to = from + below(100)
      const expected = model.filter((each) => each.lastOffset >= from && each.firstOffset < to)
      const { transactions, isComplete } = index.collectAborted(from, to)
      const where = `SEED=${seed} round=${round} ${from} .. ${to}`
      // Complete early, it may leave out only what begins at the end of the range or later.
      if (!isComplete) expect(transactions, where).toEqual(expected)
      else expect(transactions, where).toEqual(expected.slice(0, transactions.length))
      expect(collectAbortedInFile(fs, PATH, BASE, from, to), where).toEqual({ transactions, isComplete })
    }
    index.close()
  }
})
