/** The longer runs of test/workers: ten seconds without the main thread, twenty deaths in a row, fifty openings. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { openDescriptors, openLog, readAll, temporaryDirectory, threadCount } from '../workers/harness.ts'

const BLOCKED_MS = 10_000
const DEATHS = 20
const OPENINGS = 50

it('ten seconds without the main thread: two threads make progress all the time, and a shard is restarted', () => {
  const program = fileURLToPath(new URL('../workers/program.mjs', import.meta.url))
  const once = join(temporaryDirectory(), 'once')
  mkdirSync(once)
  const child = spawnSync(
    process.execPath,
    [program, 'block', join(temporaryDirectory(), 'data'), String(BLOCKED_MS)],
    {
      encoding: 'utf8',
      env: { ...process.env, VLTAVA_FAILPOINTS: 'append:after-write=throw:500', VLTAVA_FAILPOINTS_ONCE: once },
    },
  )
  expect({ status: child.status, stderr: child.stderr }).toEqual({ status: 0, stderr: '' })
  const { samples, ended, notices } = JSON.parse(child.stdout) as {
    samples: [produced: number, consumed: number][]
    ended: [produced: number, consumed: number]
    notices: object[]
  }
  console.log(`produced and consumed, each second of ${BLOCKED_MS / 1000}: ${JSON.stringify(samples)}`)
  for (const index of [0, 1] as const) {
    const counts = samples.map((sample) => sample[index])
    expect(new Set(counts).size).toBe(counts.length) // More in each of the ten slices.
  }
  expect(ended[0]).toBe(ended[1])
  expect(notices).toMatchObject([{ type: 'shard-restarted', epoch: 2 }])
})

it('twenty deaths of one shard under load: every record once, no descriptors, no threads, no memory', async () => {
  const { log, notices } = await openLog({ failpoints: 'append:after-write=throw:15', isRepeated: true })
  await log.admin.createTopics([{ topic: 'events', configs: { 'internal.segment.bytes': 65536 } }])
  const producer = log.producer<Uint8Array, string>({ value: 'string' })
  const sent: string[] = []
  let isStopping = false
  const load = (async (): Promise<void> => {
    while (!isStopping) {
      const values = Array.from({ length: 10 }, (_, index) => String(sent.length + index))
      sent.push(...values)
      const metadata = await producer.sendAll(values.map((value) => ({ topic: 'events', value })))
      expect(metadata.map(({ offset }) => String(offset))).toEqual(values)
    }
  })()
  await notices.next('shard-restarted')
  const before = [openDescriptors(), threadCount(), process.memoryUsage().rss] as const
  for (let deaths = 1; deaths < DEATHS; deaths++) await notices.next('shard-restarted')
  isStopping = true
  await load
  const after = [openDescriptors(), threadCount(), process.memoryUsage().rss] as const
  const mib = [before[2], after[2]].map((bytes) => (bytes / 2 ** 20).toFixed(0))
  console.log(`descriptors ${before[0]} -> ${after[0]}, threads ${before[1]} -> ${after[1]}, ${mib.join(' -> ')} MiB`)
  expect((await readAll(log, 'events')).map(({ value }) => value)).toEqual(sent)
  // Of an incarnation that lives: its files and both its threads.
  expect(after[0]).toBeLessThan(before[0] + 20)
  expect(after[1]).toBeLessThanOrEqual(before[1] + 2)
  expect(after[2]).toBeLessThan(before[2] + (100 << 20))
})

it('fifty openings and closings give everything back', async () => {
  const { dir, log } = await openLog()
  await log.admin.createTopics([{ topic: 'events', partitions: 8 }])
  await log.close()
  const cycle = async (): Promise<void> => {
    const again = await openLog({ dir, shards: 2 })
    await again.log.producer<Uint8Array, string>({ value: 'string' }).send({ topic: 'events', value: 'x' })
    await again.log.close()
  }
  await cycle()
  const before = [openDescriptors(), threadCount(), process.memoryUsage().rss] as const
  for (let count = 0; count < OPENINGS; count++) await cycle()
  const mib = [before[2], process.memoryUsage().rss].map((bytes) => (bytes / 2 ** 20).toFixed(0))
  console.log(`${OPENINGS} openings: ${mib.join(' -> ')} MiB`)
  expect([openDescriptors(), threadCount()]).toEqual([before[0], before[1]])
  const { log: last } = await openLog({ dir })
  expect(await readAll(last, 'events')).toHaveLength(OPENINGS + 1)
})
