/** When a process with an open log ends, and what goes on while its main thread stands still. */
import { spawn } from 'node:child_process'
import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { codeOf, openDescriptors, openLog, readAll, temporaryDirectory, threadCount } from './harness.ts'

const PROGRAM = fileURLToPath(new URL('./program.mjs', import.meta.url))

interface Ended {
  readonly status: number | null
  readonly stderr: string
  readonly found: Record<string, unknown>
}

function run(
  args: readonly string[],
  env: Record<string, string> = {},
  nodeArgs: readonly string[] = [],
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeArgs, PROGRAM, ...args], { env: { ...process.env, ...env } })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('error', reject)
    child.on('close', (status) => {
      resolve({ status, stderr, found: JSON.parse(stdout === '' ? '{}' : stdout) as Record<string, unknown> })
    })
  })
}

it('a process whose log is open but idle ends by itself, and the directory is free', async () => {
  const dir = join(temporaryDirectory(), 'data')
  expect(await run(['idle', dir])).toEqual({ status: 0, stderr: '', found: { task: 'idle' } })
  const { log } = await openLog({ dir })
  expect(await log.admin.listTopics()).toEqual(['events'])
})

it('a process does not end while a send() waits for its answer', async () => {
  const dir = join(temporaryDirectory(), 'data')
  const { status, found } = await run(['send-unawaited', dir])
  expect({ status, found }).toMatchObject({ status: 0, found: { offset: 0, durability: 'committed' } })
})

it('a process does not end before what it appended is written', async () => {
  const dir = join(temporaryDirectory(), 'data')
  expect(await run(['append-unawaited', dir])).toMatchObject({ status: 0, stderr: '' })
  const { log } = await openLog({ dir })
  expect(await readAll(log, 'events')).toEqual([{ partition: 1, offset: 0, value: 'appended' }])
})

it('a process that ends by an error of its own has kept what was acknowledged', async () => {
  const dir = join(temporaryDirectory(), 'data')
  const { status, stderr } = await run(['fail-on-purpose', dir])
  expect({ status, saysWhy: stderr.includes('the program has a bug') }).toEqual({ status: 1, saysWhy: true })
  const { log } = await openLog({ dir })
  expect((await readAll(log, 'events')).map(({ value }) => value)).toEqual(['one'])
})

it('while the main thread stands still, other threads produce and consume, and a shard is restarted', async () => {
  const dir = join(temporaryDirectory(), 'data')
  const once = join(temporaryDirectory(), 'once')
  mkdirSync(once)
  const env = { VLTAVA_FAILPOINTS: 'append:after-write=throw:40', VLTAVA_FAILPOINTS_ONCE: once }
  const { status, stderr, found } = await run(['block', dir, '2000'], env)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const samples = found['samples'] as [number, number][]
  console.log(`produced and consumed, each fifth of a second: ${JSON.stringify(samples)}`)
  const [first, last] = [samples[0]!, samples.at(-1)!]
  expect(last[0]).toBeGreaterThan(first[0])
  expect(last[1]).toBeGreaterThan(first[1])
  const [produced, consumed] = found['ended'] as [number, number]
  expect(consumed).toBe(produced)
  expect(statSync(join(once, 'append:after-write')).isFile()).toBe(true)
  expect(found['notices']).toMatchObject([{ type: 'shard-restarted', epoch: 2 }])
})

it('a shard that runs out of its heap is restarted, and the process lives on', async () => {
  const dir = join(temporaryDirectory(), 'data')
  const once = join(temporaryDirectory(), 'once')
  mkdirSync(once)
  const env = { VLTAVA_FAILPOINTS: 'append:after-write=oom:10', VLTAVA_FAILPOINTS_ONCE: once }
  const { status, stderr, found } = await run(['die-of-memory', dir], env, ['--max-old-space-size=48'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(found).toMatchObject({ notices: [{ type: 'shard-restarted', epoch: 2 }], inOrder: true })
  // A heap that is nearly full keeps the collector busy: on a slow machine that shows first.
  expect(JSON.stringify(found['notices'])).toMatch(/memory|did not beat/)
})

it('a directory that is open is locked, for this process and for others', async () => {
  const { dir, log } = await openLog()
  const [descriptors, threads] = [openDescriptors(), threadCount()]
  expect(await codeOf(() => openLog({ dir }))).toBe('DIRECTORY_LOCKED')
  expect(openDescriptors()).toBeLessThanOrEqual(descriptors)
  expect(threadCount()).toBeLessThanOrEqual(threads)
  const other = await run(['idle', dir])
  expect(other.status).toBe(1)
  expect(other.stderr).toMatch(/DIRECTORY_LOCKED/)
  expect(other.stderr).toMatch(/one log owns a directory at a time/)
  await log.admin.createTopics([{ topic: 'still-mine' }])
})

it('opening and closing gives back threads, descriptors and the lock', async () => {
  const { dir, log } = await openLog()
  await log.admin.createTopics([{ topic: 'events', partitions: 4 }])
  await log.close()
  const cycle = async (): Promise<void> => {
    const again = await openLog({ dir, shards: 2 })
    await again.log.producer<Uint8Array, string>({ value: 'string' }).send({ topic: 'events', value: 'x' })
    await again.log.close()
  }
  await cycle()
  const [descriptors, threads] = [openDescriptors(), threadCount()]
  for (let count = 0; count < 8; count++) await cycle()
  expect(openDescriptors()).toBeLessThanOrEqual(descriptors)
  expect(threadCount()).toBeLessThanOrEqual(threads)
})
