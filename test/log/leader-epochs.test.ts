import { describe, expect, it } from 'vitest'
import { StorageError, VltavaError } from '../../src/base/errors.ts'
import { LeaderEpochs, type LeaderEpoch } from '../../src/log/leader-epochs.ts'
import { damaged, MemoryFs, seededRandom } from './memory-fs.ts'

const PATH = '/d/leader-epoch-checkpoint'

function epochsOf(...entries: [epoch: number, startOffset: number][]): LeaderEpochs {
  const epochs = LeaderEpochs.empty(new MemoryFs(), '/d')
  for (const [epoch, startOffset] of entries) expect(epochs.assign(epoch, startOffset)).toBe(true)
  return epochs
}

function pairs(epochs: LeaderEpochs): number[][] {
  return epochs.entries.map(({ epoch, startOffset }) => [epoch, startOffset])
}

describe('leader epochs', () => {
  it('are text: version, count, one line for each epoch', () => {
    const fs = new MemoryFs()
    const epochs = LeaderEpochs.load(fs, '/d')
    expect(pairs(epochs)).toEqual([])
    epochs.assign(0, 0)
    epochs.assign(3, 4_294_967_296)
    expect(fs.files.size).toBe(0)
    epochs.write()
    expect(fs.text(PATH)).toBe('0\n2\n0 0\n3 4294967296\n')
    expect(fs.calls.slice(-3)).toEqual([`sync ${PATH}.tmp`, `rename ${PATH}.tmp ${PATH}`, 'syncDirectory /d'])
    expect(pairs(LeaderEpochs.load(fs, '/d'))).toEqual([
      [0, 0],
      [3, 4_294_967_296],
    ])
    expect(pairs(LeaderEpochs.empty(fs, '/d'))).toEqual([])
  })

  it('are appended, ignored when known, and remove what contradicts them', () => {
    const start: [number, number][] = [
      [1, 10],
      [3, 30],
      [5, 50],
    ]
    const cases: [assigned: [number, number], isNews: boolean, left: number[][]][] = [
      [[6, 60], true, [...start, [6, 60]]],
      [[5, 50], false, start],
      [[5, 55], false, start], // It began at 50 already.
      [[5, 40], true, [[1, 10], [3, 30], [5, 40]]], // prettier-ignore
      [[5, 30], true, [[1, 10], [5, 30]]], // prettier-ignore
      [[6, 50], true, [[1, 10], [3, 30], [6, 50]]], // prettier-ignore
      [[6, 20], true, [[1, 10], [6, 20]]], // prettier-ignore
      [[4, 60], true, [[1, 10], [3, 30], [4, 60]]], // prettier-ignore
      [[3, 60], true, [[1, 10], [3, 60]]], // prettier-ignore
      [[0, 5], true, [[0, 5]]],
      [[7, 0], true, [[7, 0]]],
    ]
    for (const [[epoch, startOffset], isNews, left] of cases) {
      const epochs = epochsOf(...start)
      expect(epochs.assign(epoch, startOffset), `${epoch} ${startOffset}`).toBe(isNews)
      expect(pairs(epochs), `${epoch} ${startOffset}`).toEqual(left)
    }
    expect(() => epochsOf([-1, 0])).toThrow('int32')
    expect(() => epochsOf([0, -1])).toThrow('safe integer')
  })

  it('answer where an epoch ends', () => {
    const epochs = epochsOf([2, 20], [4, 40], [7, 70])
    const cases: [epoch: number, foundEpoch: number, endOffset: number][] = [
      [-1, -1, -1],
      [0, 0, 20], // Gone: the log begins behind it.
      [1, 1, 20],
      [2, 2, 40],
      [3, 2, 40],
      [4, 4, 70],
      [6, 4, 70],
      [7, 7, 99], // The latest ends with the log.
      [8, -1, -1], // Not known yet.
    ]
    for (const [epoch, foundEpoch, endOffset] of cases) {
      expect(epochs.endOffsetFor(epoch, 99), `epoch ${epoch}`).toEqual({ epoch: foundEpoch, endOffset })
    }
    expect(epochsOf().endOffsetFor(0, 99)).toEqual({ epoch: -1, endOffset: -1 })
  })

  it('answer which epoch wrote an offset', () => {
    const epochs = epochsOf([2, 20], [4, 40])
    expect([0, 19, 20, 39, 40, 1000].map((offset) => epochs.epochForOffset(offset))).toEqual([-1, -1, 2, 2, 4, 4])
    expect([epochs.latestEpoch(), epochsOf().latestEpoch()]).toEqual([4, -1])
  })

  it('are cut off at the log’s end and start', () => {
    const start: [number, number][] = [
      [2, 20],
      [4, 40],
      [6, 60],
    ]
    for (const [offset, left, isChanged] of [
      [61, start, false],
      [60, start.slice(0, 2), true],
      [41, start.slice(0, 2), true],
      [40, start.slice(0, 1), true],
      [0, [], true],
    ] as const) {
      const epochs = epochsOf(...start)
      expect(epochs.truncateFromEnd(offset)).toBe(isChanged)
      expect(pairs(epochs), `end ${offset}`).toEqual(left)
    }
    for (const [offset, left, isChanged] of [
      [0, start, false],
      [19, start, false],
      [20, start, false],
      [21, [[2, 21], [4, 40], [6, 60]], true], // prettier-ignore
      [40, [[4, 40], [6, 60]], true], // prettier-ignore
      [59, [[4, 59], [6, 60]], true], // prettier-ignore
      [1000, [[6, 1000]], true],
    ] as const) {
      const epochs = epochsOf(...start)
      expect(epochs.truncateFromStart(offset)).toBe(isChanged)
      expect(pairs(epochs), `start ${offset}`).toEqual(left)
    }
  })

  it('are refused when malformed, with the file and the line', () => {
    for (const [text, line] of [
      ['0\n1\n0\n', 3],
      ['0\n1\n0 0 0\n', 3],
      ['0\n1\n-1 0\n', 3],
      ['0\n1\n2147483648 0\n', 3],
      ['0\n1\n0 9007199254740992\n', 3],
      ['0\n1\na b\n', 3],
      ['0\n2\n0 0\n0 10\n', 4],
      ['0\n2\n0 10\n1 10\n', 4],
      ['0\n2\n0 10\n1 9\n', 4],
      ['0\n3\n0 0\n', 2],
    ] as const) {
      const fs = new MemoryFs()
      fs.put(PATH, text)
      expect(() => LeaderEpochs.load(fs, '/d'), JSON.stringify(text)).toThrow(`${PATH} line ${line}:`)
      expect(() => LeaderEpochs.load(fs, '/d')).toThrow(expect.objectContaining({ code: 'DIRECTORY_CORRUPT' }))
    }
  })

  it('notice every cut, and for every flipped bit give a typed error or epochs in order', () => {
    const fs = new MemoryFs()
    const text = '0\n3\n0 0\n3 1000\n12 70000\n'
    for (const { what, bytes } of damaged(Buffer.from(text, 'latin1'))) {
      fs.put(PATH, bytes)
      let entries: readonly LeaderEpoch[]
      try {
        entries = LeaderEpochs.load(fs, '/d').entries
      } catch (error) {
        expect(error, what).toBeInstanceOf(VltavaError)
        continue
      }
      expect([0, text.length], what).toContain(bytes.length)
      expect(entries.length, what).toBe(bytes.length === 0 ? 0 : 3)
      for (let i = 1; i < entries.length; i++) {
        expect(entries[i]!.epoch, what).toBeGreaterThan(entries[i - 1]!.epoch)
        expect(entries[i]!.startOffset, what).toBeGreaterThan(entries[i - 1]!.startOffset)
      }
    }
  })

  it('keep the old file when the new one cannot be written', () => {
    const fs = new MemoryFs()
    const epochs = LeaderEpochs.load(fs, '/d')
    epochs.assign(0, 0)
    epochs.write()
    epochs.assign(1, 10)
    fs.failNext = { call: 'sync', code: 'EIO' }
    expect(() => epochs.write()).toThrow(StorageError)
    expect(fs.text(PATH)).toBe('0\n1\n0 0\n')
  })

  it('agree with the epoch of each record, through random appends and truncations', () => {
    const { seed, below } = seededRandom()
    for (let round = 0; round < 100; round++) {
      const fs = new MemoryFs()
      let epochs = LeaderEpochs.empty(fs, '/d')
      let log: number[] = [] // The epoch of each offset from logStart on.
      let logStart = 0
      let epoch = 0
      for (let step = 0; step < 60; step++) {
        const where = `SEED=${seed} round=${round} step=${step}`
        const action = below(10)
        if (action < 6) {
          if (below(3) === 0) epoch += 1 + below(3)
          epochs.assign(epoch, logStart + log.length)
          for (let count = 1 + below(20); count > 0; count--) log.push(epoch)
        } else if (action < 8) {
          log = log.slice(0, below(log.length + 1))
          epochs.truncateFromEnd(logStart + log.length)
        } else if (action < 9 && log.length > 0) {
          const dropped = below(log.length)
          log = log.slice(dropped)
          logStart += dropped
          epochs.truncateFromStart(logStart)
        } else {
          epochs.write()
          epochs = LeaderEpochs.load(fs, '/d')
        }
        for (let i = 0; i < log.length; i++) expect(epochs.epochForOffset(logStart + i), where).toBe(log[i])
        for (const wanted of new Set(log)) {
          const end = epochs.endOffsetFor(wanted, logStart + log.length)
          expect(end, where).toEqual({ epoch: wanted, endOffset: logStart + log.lastIndexOf(wanted) + 1 })
        }
      }
    }
  })
})
