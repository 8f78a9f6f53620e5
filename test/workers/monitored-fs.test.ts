/** A file system that tells the supervisor of the calls that may wait for the disk. */
import { expect, it } from 'vitest'
import { createSimEnv } from '../../src/base/env/sim-env.ts'
import { Activity, createWatermarks, Watermarks } from '../../src/ring/watermarks.ts'
import { MonitoredFs } from '../../src/workers/monitored-fs.ts'

it('says so while a call runs, and every call that returns or fails is a sign of life', () => {
  const watermarks = new Watermarks(createWatermarks(1, 1))
  const { fs } = createSimEnv(1)
  const seen: number[] = []
  const spying = new Proxy(fs, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown => {
        seen.push(watermarks.activity())
        return Reflect.apply(member, target, args)
      }
    },
  })
  const monitored = new MonitoredFs(spying, watermarks)
  const bytes = new Uint8Array(10)
  const calls = [
    () => monitored.makeDirectory('/d'),
    () => monitored.syncDirectory('/d'),
    () => monitored.list('/d'),
    () => monitored.stat('/nothing'),
    () => expect(() => monitored.open('/nothing', 'read')).toThrow(),
    () => expect(() => monitored.unlink('/nothing')).toThrow(),
  ]
  const file = monitored.open('/f', 'create')
  calls.push(
    () => file.write(bytes, 0, 10, 0),
    () => file.writeVector([bytes], 10),
    () => file.read(bytes, 0, 10, 0),
    () => file.sync(),
    () => file.truncate(5),
  )
  for (const call of calls) {
    const before = watermarks.heartbeat()
    call()
    expect(watermarks.heartbeat(), String(call)).not.toBe(before)
    expect(watermarks.activity()).toBe(Activity.RUNNING)
  }
  expect(new Set(seen)).toEqual(new Set([Activity.IN_SYSTEM_CALL]))
})
