import { describe, expect, it } from 'vitest'
import type { ProducerSnapshotEntry } from '../../src/log/producer-snapshot.ts'
import { loadProducerSnapshot, snapshotOffsets, writeProducerSnapshot } from '../../src/log/snapshot-files.ts'
import { MemoryFs } from './memory-fs.ts'

function entry(producerId: number): ProducerSnapshotEntry {
  return {
    producerId,
    producerEpoch: 0,
    lastSequence: 1,
    lastOffset: 2,
    offsetDelta: 0,
    timestamp: 3,
    coordinatorEpoch: -1,
    currentTransactionFirstOffset: -1,
  }
}

function load(fs: MemoryFs, offsetMax: number): { loaded: [number, number] | undefined; damage: string[] } {
  const damage: string[] = []
  const found = loadProducerSnapshot(fs, '/d', offsetMax, (file, reason) => damage.push(`${file}: ${reason}`))
  return { loaded: found === undefined ? undefined : [found.offset, found.entries[0]!.producerId], damage }
}

describe('snapshot files', () => {
  it('are named by offset, listed in order, and other files are not among them', () => {
    const fs = new MemoryFs()
    for (const offset of [9, 1_000_000_000_000, 30]) writeProducerSnapshot(fs, '/d', offset, [entry(offset)])
    fs.put('/d/00000000000000000005.snapshot.deleted', 'x')
    fs.put('/d/00000000000000000005.index', 'x')
    fs.put('/d/5.snapshot', 'x')
    expect(snapshotOffsets(fs, '/d')).toEqual([9, 30, 1_000_000_000_000])
  })

  it('are kept for the newest and three before it', () => {
    const fs = new MemoryFs()
    for (let offset = 10; offset <= 80; offset += 10) writeProducerSnapshot(fs, '/d', offset, [entry(offset)])
    expect(snapshotOffsets(fs, '/d')).toEqual([50, 60, 70, 80])
    writeProducerSnapshot(fs, '/d', 80, [entry(1)])
    expect(snapshotOffsets(fs, '/d')).toEqual([50, 60, 70, 80])
    expect(load(fs, 80).loaded, 'the same offset again').toEqual([80, 1])
  })

  it('are loaded from the newest at or below an offset', () => {
    const fs = new MemoryFs()
    for (const offset of [10, 20, 30]) writeProducerSnapshot(fs, '/d', offset, [entry(offset)])
    expect(load(fs, 9)).toEqual({ loaded: undefined, damage: [] })
    expect(load(fs, 10).loaded).toEqual([10, 10])
    expect(load(fs, 29).loaded).toEqual([20, 20])
    expect(load(fs, Number.MAX_SAFE_INTEGER).loaded).toEqual([30, 30])
  })

  it('that are damaged are passed over and told, down to none', () => {
    const fs = new MemoryFs()
    for (const offset of [10, 20, 30]) writeProducerSnapshot(fs, '/d', offset, [entry(offset)])
    fs.bytes('/d/00000000000000000030.snapshot')[20]! ^= 1
    fs.put('/d/00000000000000000020.snapshot', '')
    const { loaded, damage } = load(fs, 100)
    expect(loaded).toEqual([10, 10])
    expect(damage.map((text) => text.slice(0, 33))).toEqual([
      '/d/00000000000000000030.snapshot:',
      '/d/00000000000000000020.snapshot:',
    ])
    fs.put('/d/00000000000000000010.snapshot', 'nonsense')
    expect(load(fs, 100).loaded).toBeUndefined()
  })
})
