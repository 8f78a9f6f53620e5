import { describe, expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { Activity, createWatermarks, SLOT_COUNT_MAX, SlotState, Watermarks } from '../../src/ring/watermarks.ts'

describe('a watermark table', () => {
  it('begins with every slot free, at 0, and not ready', () => {
    const table = new Watermarks(createWatermarks(7, 3))
    expect([table.epoch, table.slotCount, table.isReady, table.heartbeat(), table.activity()]).toEqual([
      7, 3, false, 0, Activity.RUNNING,
    ]) // prettier-ignore
    for (let slot = 0; slot < 3; slot++) {
      expect(table.state(slot)).toBe(SlotState.FREE)
      expect([
        table.highWatermark(slot),
        table.committedOffset(slot),
        table.logStartOffset(slot),
        table.sizeBytes(slot),
        table.failure(slot),
        table.generation(slot),
      ]).toEqual([0, 0, 0, 0, 0, 0])
    }
  })

  it('shows each word of each slot to every view, and changes no other', () => {
    const buffer = createWatermarks(1, 4)
    const owner = new Watermarks(buffer)
    const reader = new Watermarks(buffer)
    for (let slot = 0; slot < 4; slot++) {
      owner.setHighWatermark(slot, 2 ** 53 - 1 - slot)
      owner.setCommittedOffset(slot, 2 ** 40 + slot)
      owner.setLogStartOffset(slot, 2 ** 32 + slot)
      owner.setSizeBytes(slot, 5 * slot)
      owner.setState(slot, SlotState.OFFLINE, 56)
      for (let times = 0; times < slot; times++) owner.beginGeneration(slot, 100 + times)
    }
    for (let slot = 0; slot < 4; slot++) {
      expect(reader.highWatermark(slot)).toBe(2 ** 53 - 1 - slot)
      expect(reader.committedOffset(slot)).toBe(2 ** 40 + slot)
      expect(reader.logStartOffset(slot)).toBe(2 ** 32 + slot)
      expect(reader.sizeBytes(slot)).toBe(5 * slot)
      expect([reader.state(slot), reader.failure(slot)]).toEqual([SlotState.OFFLINE, 56])
      expect(reader.generation(slot)).toBe(slot)
    }
    owner.setState(1, SlotState.ONLINE)
    expect([reader.state(1), reader.failure(1)]).toEqual([SlotState.ONLINE, 0])
  })

  it('knows through three openings whether what was appended before them is still there', () => {
    const table = new Watermarks(createWatermarks(1, 2))
    table.beginGeneration(1, 50)
    const appended = table.generation(1)
    const kept = (): boolean[] => [30, 31, 50, 51, 60].map((end) => table.isKept(1, appended, end))
    expect(kept()).toEqual([true, true, true, true, true])
    table.beginGeneration(1, 50)
    expect(kept()).toEqual([true, true, true, false, false])
    table.beginGeneration(1, 30)
    table.beginGeneration(1, 90)
    expect(kept(), 'the lowest end counts').toEqual([true, false, false, false, false])
    const next = new Watermarks(createWatermarks(2, 2))
    next.inherit(table)
    expect([next.generation(1), next.isKept(1, appended, 30), next.isKept(1, appended, 31)]).toEqual([4, true, false])
    table.beginGeneration(1, 90)
    expect(kept(), 'too long ago').toEqual([false, false, false, false, false])
    expect(table.isKept(1, table.generation(1) + 1, 1), 'of a later one').toBe(false)
  })

  it('counts heartbeats over the end of the int32', () => {
    const buffer = createWatermarks(1, 1)
    const table = new Watermarks(buffer)
    new Int32Array(buffer)[32] = 0x7fff_ffff
    table.beat()
    expect(table.heartbeat()).toBe(-0x8000_0000)
    table.beat()
    expect(table.heartbeat()).toBe(-0x7fff_ffff)
  })

  it('says when the shard is ready and whether it may be blocked', () => {
    const buffer = createWatermarks(1, 1)
    const owner = new Watermarks(buffer)
    owner.setReady()
    owner.setActivity(Activity.IN_SYSTEM_CALL)
    const reader = new Watermarks(buffer)
    expect([reader.isReady, reader.activity()]).toEqual([true, Activity.IN_SYSTEM_CALL])
  })

  it('gives each slot a line pair of its own: 128 bytes, behind a header of 256', () => {
    expect(createWatermarks(1, 5).byteLength).toBe(256 + 5 * 128)
    const buffer = createWatermarks(1, 2)
    new Watermarks(buffer).setHighWatermark(1, 5)
    expect(new BigInt64Array(buffer)[(256 + 128) / 8]).toBe(5n)
  })

  it('of another layout, or cut, is refused', () => {
    const buffer = createWatermarks(1, 2)
    new Int32Array(buffer)[0] = 99
    expect(() => new Watermarks(buffer)).toThrow(AssertionFailed)
    const cut = new SharedArrayBuffer(256)
    new Int32Array(cut).set(new Int32Array(createWatermarks(1, 2), 0, 2))
    expect(() => new Watermarks(cut)).toThrow(AssertionFailed)
    for (const slots of [0, -1, 1.5, SLOT_COUNT_MAX + 1])
      expect(() => createWatermarks(1, slots)).toThrow(AssertionFailed)
  })
})
