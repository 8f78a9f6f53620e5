/**
 * A disk that is really full: a small tmpfs, filled to the last page again and again. Records are refused with a typed
 * error, what was acknowledged can be read all the time, and records are taken again once there is room: no restart.
 *
 * Mounting needs root. Without it only the last test runs, in which the kernel limits the size of files.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { Log, Producer } from '../workers/built.ts'
import { onCleanup, openLog, readAll, type StoredRecord, temporaryDirectory } from '../workers/harness.ts'

const DISK_MIB = 24
const ROUNDS = Number(process.env['FULL_DISK_ROUNDS'] ?? 6)
const COMMAND_LINE = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const PROGRAM = fileURLToPath(new URL('../workers/program.mjs', import.meta.url))
const UNLIMITED = { 'retention.ms': -1, 'retention.bytes': -1, 'internal.segment.bytes': 1 << 20 }

function mountSmallDisk(): string | undefined {
  const point = join(temporaryDirectory(), 'disk')
  mkdirSync(point)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', point], { stdio: 'ignore' })
  } catch (error) {
    if (error instanceof Error && ('status' in error || 'code' in error)) return undefined
    throw error
  }
  onCleanup(() => void execFileSync('umount', ['-l', point]))
  return point
}

/** Sends to a partition until it is refused; returns the code of the refusal. */
class Filler {
  readonly acknowledged: StoredRecord[] = []
  readonly partition: number
  readonly #producer: Producer<Uint8Array, string>
  #sent = 0

  constructor(log: Log, partition: number, acks: 'all' | 1) {
    this.partition = partition
    this.#producer = log.producer<Uint8Array, string>({ acks, value: 'string' })
  }

  /** True if the record was acknowledged. Anything but a full disk is thrown. */
  async send(): Promise<boolean> {
    const value = `${this.partition}-${this.#sent++}-`.padEnd(20_000, 'x')
    const { partition } = this
    try {
      const { offset } = await this.#producer.send({ topic: 'events', partition, value })
      this.acknowledged.push({ partition, offset, value })
      return true
    } catch (error) {
      expect(error).toMatchObject({ code: 'KAFKA_STORAGE_ERROR', retriable: true })
      return false
    }
  }

  async fill(): Promise<void> {
    while (await this.send());
  }

  /** The partition comes back by itself, within a second or so. */
  async resume(): Promise<void> {
    while (!(await this.send())) await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Everything acknowledged is there; what was refused may be, at most once; nothing else is. */
function expectKept(stored: readonly StoredRecord[], fillers: readonly Filler[]): void {
  for (const { partition, acknowledged } of fillers) {
    const values = new Map(
      stored.filter((record) => record.partition === partition).map(({ offset, value }) => [offset, value]),
    )
    for (const { offset, value } of acknowledged) {
      if (values.get(offset) !== value) throw new Error(`${partition}: offset ${offset} lost ${value.slice(0, 20)}`)
    }
    expect(new Set(values.values()).size).toBe(values.size)
    expect([...values.keys()]).toEqual(Array.from({ length: values.size }, (_, index) => index))
  }
}

it('a full disk costs no acknowledged record, again and again', async (context) => {
  const disk = mountSmallDisk()
  if (disk === undefined) {
    console.warn('\nLEFT OUT: a really full disk. Mounting a tmpfs is not allowed here.\n')
    return context.skip()
  }
  const dir = join(disk, 'data')
  const ballast = join(disk, 'ballast')
  const { log } = await openLog({ dir, shards: 2, checkpointMs: 20 })
  await log.admin.createTopics([{ topic: 'events', partitions: 2, configs: UNLIMITED }])
  const fillers = [new Filler(log, 0, 'all'), new Filler(log, 1, 1)]
  for (let round = 0; round < ROUNDS; round++) {
    // Room for about 2 MiB in each round.
    const { bavail, bsize } = statfsSync(disk)
    writeFileSync(ballast, new Uint8Array(Math.max(0, bavail * bsize - (2 << 20))))
    await Promise.all(fillers.map((filler) => filler.resume()))
    await Promise.all(fillers.map((filler) => filler.fill()))
    expectKept(await readAll(log, 'events'), fillers)
    expect(statfsSync(disk).bavail * bsize).toBeLessThan(64 << 10)
    // What needs room is refused with the same error, and leaves nothing behind.
    const creation = log.admin.createTopics([{ topic: 'more', configs: UNLIMITED }])
    await expect(creation).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    expect(await log.admin.listTopics()).toEqual(['events'])
    rmSync(ballast)
    await Promise.all(fillers.map((filler) => filler.resume()))
  }
  await log.admin.createTopics([{ topic: 'more', configs: UNLIMITED }])
  expectKept(await readAll(log, 'events'), fillers)
  await log.close()
  const verified = spawnSync(process.execPath, [COMMAND_LINE, 'verify', dir], { encoding: 'utf8' })
  expect(`${verified.status} ${verified.stdout}`).toMatch(/^0 /)
  const again = await openLog({ dir })
  expectKept(await readAll(again.log, 'events'), fillers)
})

it('a log that is opened on a full disk opens when there is room, and has lost nothing', async (context) => {
  const disk = mountSmallDisk()
  if (disk === undefined) {
    console.warn('\nLEFT OUT: opening on a full disk. Mounting a tmpfs is not allowed here.\n')
    return context.skip()
  }
  const dir = join(disk, 'data')
  const first = await openLog({ dir })
  await first.log.admin.createTopics([{ topic: 'events', partitions: 1, configs: UNLIMITED }])
  const filler = new Filler(first.log, 0, 'all')
  for (let i = 0; i < 100; i++) expect(await filler.send()).toBe(true)
  await first.log.close()
  const ballast = join(disk, 'ballast')
  const { bavail, bsize } = statfsSync(disk)
  writeFileSync(ballast, new Uint8Array(bavail * bsize))
  // Either it says why it cannot, or it opens and can be read.
  try {
    const { log } = await openLog({ dir })
    expectKept(await readAll(log, 'events'), [filler])
    rmSync(ballast)
    await log.close()
  } catch (error) {
    expect(error).toMatchObject({ code: 'DIRECTORY_UNUSABLE', message: expect.stringMatching(/ENOSPC/) as string })
    rmSync(ballast)
  }
  const { log } = await openLog({ dir })
  expectKept(await readAll(log, 'events'), [filler])
})

it('deleting a topic on a full disk makes room for another', async (context) => {
  const disk = mountSmallDisk()
  if (disk === undefined) {
    console.warn('\nLEFT OUT: deleting on a full disk. Mounting a tmpfs is not allowed here.\n')
    return context.skip()
  }
  const { log, dir } = await openLog({ dir: join(disk, 'data'), shards: 2, checkpointMs: 20 })
  await log.admin.createTopics([{ topic: 'old', configs: UNLIMITED }])
  const old = log.producer<Uint8Array, string>({ value: 'string' })
  for (let i = 0; i < 100; i++) await old.send({ topic: 'old', value: 'x'.repeat(20_000) })
  await log.admin.createTopics([{ topic: 'events', partitions: 1, configs: UNLIMITED }])
  const filler = new Filler(log, 0, 'all')
  // Set aside at the first checkpoint.
  while (!existsSync(join(dir, 'vltava-reserve'))) await new Promise((resolve) => setTimeout(resolve, 10))
  await filler.fill()
  await log.admin.deleteTopics(['old'])
  await filler.resume()
  expectKept(await readAll(log, 'events'), [filler])
})

it('a limit on the size of files is a full disk too: EFBIG in the middle of a write', async () => {
  const dir = join(temporaryDirectory(), 'data')
  const limited = spawnSync(
    'bash',
    ['-c', 'ulimit -f 700; exec "$@"', 'bash', process.execPath, PROGRAM, 'fill', dir],
    {
      encoding: 'utf8',
    },
  )
  expect({ status: limited.status, stderr: limited.stderr }).toEqual({ status: 0, stderr: '' })
  const { refused, acknowledged, isReadBack } = JSON.parse(limited.stdout) as {
    refused: object
    acknowledged: [offset: number, length: number][]
    isReadBack: boolean
  }
  expect({ refused, isReadBack }).toEqual({
    refused: { code: 'KAFKA_STORAGE_ERROR', retriable: true },
    isReadBack: true,
  })
  expect(acknowledged.length).toBeGreaterThan(50)
  const { log } = await openLog({ dir })
  const kept = (await readAll(log, 'events')).map(({ offset, value }) => [offset, value.length])
  expect(kept.slice(0, acknowledged.length)).toEqual(acknowledged)
  await log.producer<Uint8Array, string>({ value: 'string' }).send({ topic: 'events', value: 'after', partition: 0 })
})
