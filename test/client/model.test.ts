/**
 * Random sends of two producers with random options, read back by a consumer that is broken off at random: what it
 * reads is what was acknowledged, each record once, at the acknowledged offset, in the order of each producer.
 */
import { expect, it } from 'vitest'
import { mulberry32, testSeed } from '../random.ts'
import { openLog } from '../workers/harness.ts'

const RECORDS = 1500
const PARTITIONS = 3
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

interface Known {
  readonly value: string
  readonly key: string | null
  readonly headerCount: number
  readonly timestamp: number | undefined
}

it('what is read back is what was acknowledged', async () => {
  const seed = testSeed()
  console.log(`client model: SEED=${seed}`)
  const random = mulberry32(seed)
  const below = (end: number): number => Math.floor(random() * end)
  const pick = <T>(values: readonly T[]): T => values[below(values.length)]!
  const { log } = await openLog({ shards: 2, memoryBytes: 256 << 10 })
  await log.admin.createTopics([{ topic: 't', partitions: PARTITIONS, configs: { 'internal.segment.bytes': 16_384 } }])
  const producers = [0, 1].map(() =>
    log.producer<string, string>({
      key: 'string',
      value: 'string',
      acks: pick(['all', 1] as const),
      linger: pick([0, 1, 20]),
      batchBytes: pick([1024, 4096, 65_536]),
      compression: pick(CODECS),
      idempotence: pick([true, false]),
    }),
  )
  const stored = new Map<string, Known>()
  const sends: Promise<void>[] = []
  for (let i = 0; i < RECORDS; i++) {
    const who = below(2)
    const known: Known = {
      value: `${who}:${i}:${'x'.repeat(below(300))}`,
      key: pick([null, '', `k${below(20)}`]),
      headerCount: below(3),
      timestamp: pick([undefined, 1_600_000_000_000 + below(1e6)]),
    }
    const record = {
      topic: 't',
      value: known.value,
      key: known.key,
      headers: Array.from({ length: known.headerCount }, (_, n) => [`h${n}`, null] as const),
      ...(known.timestamp === undefined ? {} : { timestamp: known.timestamp }),
      ...(random() < 0.3 ? { partition: below(PARTITIONS) } : {}),
    }
    const sent = producers[who]!.send(record).then(({ partition, offset }) => {
      expect(stored.has(`${partition}/${offset}`), `SEED=${seed} ${partition}/${offset} twice`).toBe(false)
      stored.set(`${partition}/${offset}`, known)
    })
    sends.push(sent)
    if (random() < 0.02) await sent
    if (random() < 0.01) await producers[who]!.flush()
  }
  const sending = Promise.all(sends)

  const consumer = log.consumer<string, string>({
    key: 'string',
    value: 'string',
    fetchBytes: pick([1, 2000, 1 << 20]),
  })
  await consumer.subscribe(['t'])
  const read: { place: string; producer: string; number: number; known: Known }[] = []
  while (read.length < RECORDS) {
    const stopAfter = 1 + below(200)
    let count = 0
    for await (const { partition, offset, key, value, headers, timestamp } of consumer) {
      const [producer, number] = value!.split(':')
      const known = { value: value!, key, headerCount: headers.length, timestamp }
      read.push({ place: `${partition}/${offset}`, producer: producer!, number: Number(number), known })
      count += 1
      if (count === stopAfter || read.length === RECORDS) break
    }
  }
  await sending
  expect(stored.size, `SEED=${seed}`).toBe(RECORDS)
  const last = new Map<string, number>()
  const seen = new Set<string>()
  for (const { place, producer, number, known } of read) {
    expect(seen.has(place), `SEED=${seed} ${place} was read twice`).toBe(false)
    seen.add(place)
    const expected = stored.get(place)
    expect({ ...known, timestamp: expected?.timestamp }, `SEED=${seed} ${place}`).toEqual(expected)
    if (expected?.timestamp !== undefined) expect(known.timestamp, `SEED=${seed} ${place}`).toBe(expected.timestamp)
    const lane = `${producer} ${place.split('/')[0]}`
    expect(number, `SEED=${seed} ${place} is out of order`).toBeGreaterThan(last.get(lane) ?? -1)
    last.set(lane, number)
  }
})
