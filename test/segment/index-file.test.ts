/** What the indexes share: few entries in memory, the rest in the file, and all of them found. */
import { describe, expect, it } from 'vitest'
import { createSimEnv } from '../../src/base/env/sim-env.ts'
import { StorageError } from '../../src/base/errors.ts'
import { OffsetIndex } from '../../src/segment/offset-index.ts'
import { mulberry32, testSeed } from '../random.ts'

const PATH = '/d/00000000000000000000.index'
const COUNT_MAX = 100_000

function simFs() {
  const { fs } = createSimEnv(1)
  fs.makeDirectory('/d')
  return fs
}

describe('an index', () => {
  it('holds a bounded part of its entries in memory, and reads the others from its file', () => {
    const fs = simFs()
    const index = OffsetIndex.open(fs, PATH, 0, COUNT_MAX)
    for (let i = 1; i <= 50_000; i++) index.append(i * 10, i * 100)
    fs.faults.failAt(1, 'EIO', ({ kind }) => kind === 'read')
    expect(index.lastOffset, 'the last entries are at hand').toBe(500_000)
    expect(index.lookup(499_995)).toBe(4_999_900)
    expect(fs.faults.fired).toBe(0)
    expect(() => index.lookup(300_000)).toThrow(StorageError)
    expect(index.lookup(300_000), 'after the disk has recovered').toBe(3_000_000)
    expect(index.lookup(12_345)).toBe(123_400)
  })

  it('gives every entry, whatever was appended, cut off, emptied and opened again before', () => {
    const seed = testSeed()
    const random = mulberry32(seed)
    const fs = simFs()
    let index = OffsetIndex.open(fs, PATH, 0, COUNT_MAX)
    let model: { offset: number; position: number }[] = []
    for (let step = 0; step < 300; step++) {
      const choice = random()
      if (choice < 0.6) {
        for (let left = Math.floor(random() * 400); left > 0; left--) {
          const last = model.at(-1) ?? { offset: 0, position: 0 }
          const next = { offset: last.offset + 1 + Math.floor(random() * 9), position: last.position + 1 }
          model.push(next)
          index.append(next.offset, next.position)
        }
      } else if (choice < 0.75) {
        const cut = Math.floor(random() * ((model.at(-1)?.offset ?? 0) + 2))
        model = model.filter(({ offset }) => offset < cut)
        index.truncateTo(cut)
      } else if (choice < 0.95) {
        index.close()
        index = OffsetIndex.open(fs, PATH, 0, COUNT_MAX)
        expect(index.sanityCheck()).toBe(undefined)
      } else {
        model = []
        index.reset()
      }
      const where = `SEED=${seed} step ${step}`
      expect([index.entryCount, index.lastOffset], where).toEqual([model.length, model.at(-1)?.offset ?? 0])
      for (let i = 0; i < 5 && model.length > 0; i++) {
        const entry = Math.floor(random() * model.length)
        expect(index.entryAt(entry), where).toEqual(model[entry])
        expect(index.lookup(model[entry]!.offset), where).toBe(model[entry]!.position)
      }
    }
  })
})
