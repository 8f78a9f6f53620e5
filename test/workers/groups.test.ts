/** Consumer groups of a log with real threads: who reads what, and what outlives whom. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { codeOf, onCleanup, openLog, temporaryDirectory } from './harness.ts'

type Said = { readonly type: string; readonly partitions?: number[]; readonly [more: string]: unknown }

/** A thread that is a member of a group; see group-thread.mjs. */
class MemberThread {
  readonly worker: Worker
  partitions: readonly number[] = []
  readonly said: Said[] = []
  #wake: () => void = () => undefined

  constructor(data: { address: string; group: string; flag?: SharedArrayBuffer; options?: object }) {
    this.worker = new Worker(new URL('./group-thread.mjs', import.meta.url), {
      workerData: { topic: 'events', ...data },
    })
    this.worker.on('message', (message: Said) => {
      this.said.push(message)
      if (message.type === 'assignment') this.partitions = message.partitions!
      if (message.type === 'revoked' || message.type === 'lost') {
        this.partitions = this.partitions.filter((partition) => !message.partitions!.includes(partition))
      }
      MemberThread.onNews()
      this.#wake()
    })
    onCleanup(async () => void (await this.worker.terminate()))
  }

  static onNews: () => void = () => undefined

  async until(type: string): Promise<Said> {
    for (;;) {
      const found = this.said.find((message) => message.type === type)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

/** Resolves when the members share the partitions 0 .. count - 1, each one having some. */
async function untilShared(members: readonly MemberThread[], count: number): Promise<void> {
  for (;;) {
    const all = members.flatMap(({ partitions }) => partitions).sort((one, other) => one - other)
    const isWhole = all.length === count && all.every((partition, index) => partition === index)
    if (isWhole && members.every(({ partitions }) => partitions.length > 0)) return
    await new Promise<void>((resolve) => {
      MemberThread.onNews = resolve
    })
  }
}

/** Resolves when these offsets, by partition, are committed by some of the members. */
async function untilCommitted(members: readonly MemberThread[], offsets: readonly number[]): Promise<void> {
  const isThere = (offset: number, partition: number): boolean =>
    members.some(({ said }) =>
      said.some((s) => s.type === 'committed' && s['partition'] === partition && s['offset'] === offset),
    )
  while (!offsets.every(isThere)) await new Promise<void>((resolve) => void (MemberThread.onNews = resolve))
}

const NO_DELAY = { 'group.initial.rebalance.delay.ms': 0 }

async function openWithTopic(partitions: number, options: Parameters<typeof openLog>[0] = {}) {
  const opened = await openLog({ settings: NO_DELAY, ...options })
  await opened.log.admin.createTopics([{ topic: 'events', partitions }])
  return opened
}

async function produce(log: Awaited<ReturnType<typeof openLog>>['log'], partitions: number, count: number) {
  const producer = log.producer<Uint8Array, string>({ value: 'string' })
  const records = Array.from({ length: count }, (_, i) => ({
    topic: 'events',
    partition: i % partitions,
    value: `v${i}`,
  }))
  await producer.sendAll(records)
  await producer.close()
}

describe.each(['consumer', 'classic'] as const)('members in threads, %s protocol', (groupProtocol) => {
  it('share the partitions; those of a thread that is killed move, without any session timing out', async () => {
    const { log } = await openWithTopic(6)
    const data = { address: log.address, group: 'g', options: { groupProtocol } }
    const members = [new MemberThread(data), new MemberThread(data), new MemberThread(data)]
    await untilShared(members, 6)
    const [killed, ...left] = members
    await killed!.worker.terminate()
    await untilShared(left, 6)
    const { state, members: described, type } = await log.admin.describeGroup('g')
    expect([state, type, described.length]).toEqual(['Stable', groupProtocol, 2])
    expect(described.every(({ clientHost }) => clientHost === '/in-process')).toBe(true)
  })

  it('hand over without loss or repetition when one leaves as it should', async () => {
    const { log } = await openWithTopic(4)
    await produce(log, 4, 40)
    const data = { address: log.address, group: 'g', options: { groupProtocol } }
    const first = new MemberThread(data)
    await untilShared([first], 4)
    const second = new MemberThread(data)
    await untilShared([first, second], 4)
    first.worker.postMessage('leave')
    await first.until('left')
    await untilShared([second], 4)
    await produce(log, 4, 4)
    const values = (): string[] =>
      [first, second].flatMap(({ said }) =>
        said.filter(({ type }) => type === 'records').flatMap((s) => s['values'] as string[]),
      )
    await untilCommitted([first, second], [11, 11, 11, 11])
    expect(values()).toHaveLength(44)
    expect((await log.admin.groupOffsets('g')).map(({ offset, lag }) => [offset, lag])).toEqual(Array(4).fill([11, 0]))
  })
})

it('a classic group takes a member that knows the consumer protocol, by falling back', async () => {
  const { log } = await openWithTopic(2)
  const classic = new MemberThread({ address: log.address, group: 'g', options: { groupProtocol: 'classic' } })
  await untilShared([classic], 2)
  const either = new MemberThread({ address: log.address, group: 'g' })
  await untilShared([classic, either], 2)
  expect((await log.admin.describeGroup('g')).type).toBe('classic')
  const strict = log.consumer({ group: 'g', groupProtocol: 'consumer' })
  await strict.subscribe(['events'])
  expect(await codeOf(() => strict.batches().next())).toBe('INCONSISTENT_GROUP_PROTOCOL')
})

it('a blocked main thread delays neither a join nor a commit of other threads', async () => {
  const { log } = await openWithTopic(2)
  await produce(log, 2, 2)
  const flag = new SharedArrayBuffer(4)
  const first = new MemberThread({ address: log.address, group: 'g', flag })
  await first.until('committed')
  first.worker.postMessage('commit-and-flag')
  // It is woken by the other thread's word alone, or gives up.
  expect(Atomics.wait(new Int32Array(flag), 0, 0, 20_000)).not.toBe('timed-out')
})

it('commits survive SIGKILL, and the members of the dead process hold nothing back', async () => {
  const dir = join(temporaryDirectory(), 'data')
  const child = spawn(process.execPath, ['test/workers/group-killed.mjs', dir], { stdio: 'inherit' })
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
  expect(signal).toBe('SIGKILL')
  const { log } = await openLog({ dir, settings: NO_DELAY })
  const offsets = await log.admin.groupOffsets('g')
  expect(offsets.map(({ partition, offset, metadata }) => [partition, offset, metadata])).toEqual([
    [0, 5, 'here'],
    [1, 5, 'here'],
  ])
  const next = new MemberThread({ address: log.address, group: 'g' })
  await untilShared([next], 2)
  expect(next.said.filter(({ type }) => type === 'records')).toEqual([])
})

describe('a coordinator that dies', () => {
  it.each(['throw', 'exit-thread'] as const)(
    'by %s is started again; members go on, commits are there',
    async (how) => {
      const opened = await openWithTopic(2, { failpoints: `coordinator:request=${how}:12` })
      const { log, notices } = opened
      await produce(log, 2, 2)
      const member = new MemberThread({ address: log.address, group: 'g' })
      await member.until('committed')
      const consumer = log.consumer({ group: 'other', autoCommit: false })
      await consumer.assign([{ topic: 'events', partition: 0 }])
      for (let offset = 1; notices.all.length === 0; offset++) {
        // Answered before or after the death: either way it is there.
        await consumer.commit([{ topic: 'events', partition: 0, offset }])
        expect(await consumer.committed('events', 0)).toMatchObject({ offset })
      }
      expect((await notices.next('coordinator-restarted')).reason).not.toBe('')
      await produce(log, 2, 2)
      await untilCommitted([member], [2, 2])
      expect(member.said.filter(({ type }) => type === 'lost' || type === 'revoked')).toEqual([])
      expect((await log.admin.groupOffsets('g')).map(({ lag }) => lag)).toEqual([0, 0])
    },
  )
})

it('a group that does not fit its topic settings is refused at open()', async () => {
  expect(await codeOf(() => openLog({ settings: { 'group.max.size': 'many' } }))).toBe('INVALID_CONFIG')
})
