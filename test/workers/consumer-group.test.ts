/** What a program sees of its consumer as a member of a group, on a real log. Who shares with whom: groups.test.ts. */
import { describe, expect, it } from 'vitest'
import type { Consumer, Log } from './built.ts'
import { codeOf, openLog } from './harness.ts'

type Options = NonNullable<Parameters<Log['consumer']>[0]>

async function openWithTopic(partitions = 1, settings: Record<string, number> = {}) {
  const { log, dir } = await openLog({ settings: { 'group.initial.rebalance.delay.ms': 0, ...settings } })
  await log.admin.createTopics([{ topic: 't', partitions }])
  const producer = log.producer<Uint8Array, string>({ value: 'string' })
  const send = async (...values: string[]): Promise<void> => {
    for (const value of values) await producer.send({ topic: 't', partition: 0, value })
  }
  const member = (options: Options = {}): Consumer<Uint8Array, string> =>
    log.consumer<Uint8Array, string>({ group: 'g', value: 'string', from: 'earliest', ...options } as never)
  return { log, dir, send, member }
}

/** Values of the next batches, until there are `count`; the loop is left in the last one. */
async function read(consumer: Consumer<Uint8Array, string>, count: number): Promise<(string | null)[]> {
  const values: (string | null)[] = []
  for await (const batch of consumer.batches()) {
    values.push(...batch.records().map(({ value }) => value))
    if (values.length >= count) break
  }
  return values
}

/** Names of callbacks and the partitions they were told, as text. */
function journal() {
  const entries: string[] = []
  const note = (name: string) => (partitions: readonly { partition: number }[]) => {
    entries.push(`${name} ${partitions.map(({ partition }) => partition).join()}`)
  }
  return { entries, listener: { assigned: note('assigned'), revoked: note('revoked'), lost: note('lost') } }
}

describe('offsets of a member', () => {
  it('are where the last commit was: of a batch, of positions, of offsets with metadata', async () => {
    const { send, member } = await openWithTopic()
    await send('a', 'b', 'c')
    const consumer = member({ autoCommit: false })
    expect(await consumer.committed('t', 0)).toBe(undefined)
    await consumer.subscribe(['t'])
    for await (const batch of consumer.batches()) {
      await batch.commit({ metadata: 'batch' })
      break
    }
    expect(await consumer.committed('t', 0)).toEqual({ offset: 1, metadata: 'batch' })
    expect(await read(consumer, 2)).toEqual(['b', 'c'])
    await consumer.commit()
    expect(await consumer.committed('t', 0)).toEqual({ offset: 3, metadata: '' })
    await consumer.commit([{ topic: 't', partition: 0, offset: 2, metadata: 'by hand' }])
    await consumer.close()
    const next = member({ autoCommit: false })
    await next.subscribe(['t'])
    expect(await read(next, 1)).toEqual(['c'])
    expect(next.lag('t', 0)).toBe(0)
  })

  it('that cannot be are refused with a code', async () => {
    const { member, log } = await openWithTopic()
    const consumer = member({ autoCommit: false })
    const commit = (offset: number, partition = 0, metadata = ''): Promise<string> =>
      codeOf(() => consumer.commit([{ topic: 't', partition, offset, metadata }]))
    expect(await commit(-1)).toBe('INVALID_ARGUMENT')
    expect(await commit(0, 7)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await commit(0, 0, 'x'.repeat(5000))).toBe('OFFSET_METADATA_TOO_LARGE')
    expect(await codeOf(() => log.consumer().commit())).toBe('INVALID_ARGUMENT')
    await consumer.close()
    expect(await commit(0)).toBe('CONSUMER_CLOSED')
  })

  it('without any, begin where `from` says; none says that this is an error', async () => {
    const { send, member } = await openWithTopic()
    await send('old')
    const latest = member({ group: 'latest', from: 'latest' })
    const assigned = new Promise<void>((resolve) => void latest.subscribe(['t'], { assigned: () => resolve() }))
    await assigned
    await send('new')
    expect(await read(latest, 1)).toEqual(['new'])
    const none = member({ group: 'none', from: 'none' })
    await none.subscribe(['t'])
    expect(await codeOf(() => none.batches().next())).toBe('NO_COMMITTED_OFFSET')
  })

  it('below the log make `from` count, or are an error', async () => {
    const { log, send, member } = await openWithTopic()
    await send('a', 'b', 'c')
    await log.admin.alterGroupOffsets('g', [{ topic: 't', partition: 0, offset: 0 }])
    await log.admin.trim('t', 0, 2)
    const strict = member({ from: 'none' })
    await strict.subscribe(['t'])
    expect(await codeOf(() => strict.batches().next())).toBe('OFFSET_OUT_OF_RANGE')
    await strict.close()
    const easy = member()
    await easy.subscribe(['t'])
    expect(await read(easy, 1)).toEqual(['c'])
  })
})

describe('autoCommit', () => {
  it('commits what the loop is done with when the consumer closes, and not the batch that it was left in', async () => {
    const { log, send, member } = await openWithTopic()
    await send('a', 'b', 'c')
    const consumer = member()
    await consumer.subscribe(['t'])
    expect(await read(consumer, 3)).toEqual(['a', 'b', 'c'])
    await consumer.close()
    expect((await log.admin.groupOffsets('g')).map(({ offset }) => offset)).toEqual([2])
  })

  it('commits every so often, also while the loop waits', async () => {
    const { log, send, member } = await openWithTopic()
    await send('a')
    const consumer = member({ autoCommitIntervalMs: 20 })
    await consumer.subscribe(['t'])
    const stop = new AbortController()
    const loop = (async () => {
      for await (const batch of consumer.batches({ signal: stop.signal })) void batch
    })()
    while ((await log.admin.groupOffsets('g'))[0]?.offset !== 1);
    stop.abort()
    await loop
  })

  it('can be left to the program', async () => {
    const { log, send, member } = await openWithTopic()
    await send('a', 'b')
    const consumer = member({ autoCommit: false })
    await consumer.subscribe(['t'])
    await read(consumer, 2)
    await consumer.close()
    expect(await log.admin.groupOffsets('g')).toEqual([])
  })
})

describe('rebalance callbacks', () => {
  it.each(['consumer', 'classic'] as const)(
    'tell what comes and goes, and are waited for (%s)',
    async (groupProtocol) => {
      const { send, member } = await openWithTopic(2)
      await send('a')
      const [one, two] = [journal(), journal()]
      const first = member({ groupProtocol })
      let mayRevoke: () => void = () => undefined
      const permission = new Promise<void>((resolve) => {
        mayRevoke = resolve
      })
      await first.subscribe(['t'], {
        ...one.listener,
        revoked: async (partitions) => {
          await permission
          one.listener.revoked(partitions)
        },
      })
      expect(await read(first, 1)).toEqual(['a'])
      expect(one.entries).toEqual(['assigned 0,1'])
      const second = member({ groupProtocol })
      const isAssigned = new Promise<void>((resolve) => {
        void second.subscribe(['t'], {
          ...two.listener,
          assigned: (partitions) => {
            two.listener.assigned(partitions)
            expect(one.entries.length).toBeGreaterThan(1) // Not before the first member gave it up.
            resolve()
          },
        })
      })
      await new Promise<void>((resolve) => setImmediate(resolve))
      expect(two.entries).toEqual([])
      mayRevoke()
      await isAssigned
      expect([...first.assignment(), ...second.assignment()].map(({ partition }) => partition).sort()).toEqual([0, 1])
      await second.close()
      expect(two.entries.at(-1)).toMatch(/^revoked/)
    },
  )

  it('never run while the loop has a batch, which stays readable', async () => {
    const { send, member } = await openWithTopic(2)
    await send('a', 'b')
    const { entries, listener } = journal()
    const first = member()
    await first.subscribe(['t'], listener)
    const second = member()
    for await (const batch of first.batches()) {
      if (entries.length === 1) await second.subscribe(['t'])
      for (let i = 0; i < 20; i++) await first.committed('t', 0) // The coordinator has long answered both.
      expect(entries).toHaveLength(1)
      expect(batch.records()).toHaveLength(1)
      break
    }
    while (entries.length < 2) await first.committed('t', 0)
    expect(entries[1]).toMatch(/^revoked/)
  })

  it('that throw end the loop with the error as cause', async () => {
    const { send, member } = await openWithTopic()
    await send('a')
    const consumer = member()
    await consumer.subscribe(['t'], {
      assigned: () => {
        throw new TypeError('of the program')
      },
    })
    const failed = await consumer
      .batches()
      .next()
      .then(
        () => undefined,
        (error: unknown) => error,
      )
    expect(failed).toMatchObject({ code: 'REBALANCE_CALLBACK', cause: { message: 'of the program' } })
  })
})

it('who does not poll for max.poll.interval.ms is out, hears so, and comes back by polling', async () => {
  const { log, send, member } = await openWithTopic()
  await send('a', 'b')
  const { entries, listener } = journal()
  const consumer = member({ maxPollIntervalMs: 50, autoCommit: false })
  await consumer.subscribe(['t'], listener)
  const seen: (string | null)[] = []
  for await (const batch of consumer.batches()) {
    seen.push(...batch.records().map(({ value }) => value))
    if (seen.length === 1) {
      while ((await log.admin.describeGroup('g')).members.length > 0);
      expect(await codeOf(() => batch.commit())).toBe('UNKNOWN_MEMBER_ID')
    } else if (seen.length === 3) break
  }
  expect(seen).toEqual(['a', 'a', 'b'])
  expect(entries).toEqual(['assigned 0', 'lost 0', 'assigned 0'])
})

it('seek, pause and resume work on what the group gave; what it did not give is refused', async () => {
  const { send, member } = await openWithTopic(1)
  await send('a', 'b', 'c')
  const consumer = member()
  await consumer.subscribe(['t'])
  expect(await read(consumer, 3)).toEqual(['a', 'b', 'c'])
  await consumer.seek('t', 0, 'start')
  expect(await read(consumer, 1)).toEqual(['a'])
  consumer.pause()
  const stop = AbortSignal.timeout(50)
  for await (const batch of consumer.batches({ signal: stop })) expect(batch).toBe('paused')
  consumer.resume()
  expect(await read(consumer, 1)).toEqual(['b'])
  expect(await codeOf(() => consumer.seek('t', 1, 0))).toBe('INVALID_ARGUMENT')
})

it('an expression means topics that match, those that are made later too', async () => {
  const { log, member } = await openWithTopic()
  const consumer = member({ group: 're' })
  let onAssigned: () => void = () => undefined
  await consumer.subscribe(/^clicks\./, { assigned: () => onAssigned() })
  const stop = new AbortController()
  const loop = (async () => {
    for await (const batch of consumer.batches({ signal: stop.signal })) void batch
  })()
  for (const topic of ['clicks.cz', 'clicks.de', 'other']) {
    const isAssigned = new Promise<void>((resolve) => {
      onAssigned = resolve
    })
    await log.admin.createTopics([{ topic }])
    if (topic !== 'other') await isAssigned
  }
  expect(
    consumer
      .assignment()
      .map(({ topic }) => topic)
      .sort(),
  ).toEqual(['clicks.cz', 'clicks.de'])
  stop.abort()
  await loop
})

it('a static member keeps its place while it is away, and a second one with its id is refused', async () => {
  const { log, member } = await openWithTopic(1)
  const first = member({ groupInstanceId: 'desk-1' })
  await new Promise<void>((resolve) => void first.subscribe(['t'], { assigned: () => resolve() }))
  const rival = member({ groupInstanceId: 'desk-1' })
  await rival.subscribe(['t'])
  expect(await codeOf(() => rival.batches().next())).toBe('UNRELEASED_INSTANCE_ID')
  await first.close()
  expect((await log.admin.describeGroup('g')).members).toMatchObject([{ groupInstanceId: 'desk-1' }])
  const again = member({ groupInstanceId: 'desk-1' })
  await new Promise<void>((resolve) => void again.subscribe(['t'], { assigned: () => resolve() }))
  expect((await log.admin.describeGroup('g')).members).toHaveLength(1)
})

it('the end of the log ends a loop that reads until the end, also when partitions come only then', async () => {
  const { send, member } = await openWithTopic(3)
  await send('a', 'b')
  const consumer = member()
  await consumer.subscribe(['t'])
  const values: (string | null)[] = []
  for await (const batch of consumer.batches({ until: 'end' }))
    values.push(...batch.records().map(({ value }) => value))
  expect(values).toEqual(['a', 'b'])
})

describe('groups seen by the administrator', () => {
  it('are listed, described, moved, emptied and deleted, and not while they have members', async () => {
    const { log, send, member } = await openWithTopic(2)
    const { admin } = log
    await send('a', 'b', 'c')
    const consumer = member()
    await new Promise<void>((resolve) => void consumer.subscribe(['t'], { assigned: () => resolve() }))
    await consumer.commit([{ topic: 't', partition: 0, offset: 1 }])
    expect(await admin.listGroups()).toEqual([
      { groupId: 'g', type: 'consumer', protocolType: 'consumer', state: 'Stable' },
    ])
    expect(await admin.listGroups({ states: ['Empty'] })).toEqual([])
    expect((await admin.describeGroup('g')).members[0]!.partitions).toHaveLength(2)
    expect(await codeOf(() => admin.resetGroupOffsets('g', 'start'))).toBe('NON_EMPTY_GROUP')
    expect(await codeOf(() => admin.deleteGroups(['g']))).toBe('NON_EMPTY_GROUP')
    expect(await codeOf(() => admin.deleteGroupOffsets('g', [{ topic: 't', partition: 0 }]))).toBe(
      'GROUP_SUBSCRIBED_TO_TOPIC',
    )
    await consumer.close()
    expect(await admin.resetGroupOffsets('g', 'end', { topics: ['t'] })).toMatchObject([{ offset: 3 }, { offset: 0 }])
    expect(await admin.resetGroupOffsets('g', new Date(0))).toMatchObject([{ offset: 0 }, { offset: 0 }])
    expect(await admin.resetGroupOffsets('g', 99)).toMatchObject([{ offset: 3 }, { offset: 0 }])
    await admin.deleteGroupOffsets('g', [{ topic: 't', partition: 1 }])
    expect(await admin.groupOffsets('g')).toEqual([
      { topic: 't', partition: 0, offset: 3, metadata: '', logEndOffset: 3, lag: 0 },
    ])
    await admin.deleteTopics(['t'])
    while ((await admin.groupOffsets('g')).length > 0);
    await admin.deleteGroups(['g'])
    expect(await codeOf(() => admin.describeGroup('g'))).toBe('GROUP_ID_NOT_FOUND')
    expect(await codeOf(() => admin.deleteGroups(['g']))).toBe('GROUP_ID_NOT_FOUND')
    expect(await admin.listGroups()).toEqual([])
  })
})
