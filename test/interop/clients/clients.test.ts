/**
 * Real clients against Vltava and against Apache Kafka, in one run: the same script, the two outcomes compared. What
 * differs is a defect of Vltava. Run by `npm run test:interop`; what cannot run is left out loudly, and
 * INTEROP_REQUIRED=1 makes that a failure. INTEROP_CLIENTS=kcat,java picks some.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { available, readBack } from '../kafka/kafka-tools.mjs'
import { CLIENTS } from './clients.mjs'
import { differences, normalise } from './compare.mjs'
import { peer } from './peers.mjs'
import { runGroup, runScenario } from './run-client.mjs'
import { startSegmentingProxy } from './segmenting-proxy.mjs'
import { startKafka, startVltava } from './servers.mjs'

type Server = Awaited<ReturnType<typeof startVltava>>
type Run = Awaited<ReturnType<typeof runScenario>>

const TIMEOUT_MS = 300_000
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

const chosen = process.env['INTEROP_CLIENTS']?.split(',') ?? CLIENTS.map(({ name }) => name)
const java = available()
const leftOut: string[] = []

function unless(ok: boolean, what: string, reason: string): boolean {
  if (ok) return true
  leftOut.push(what)
  const block = `\n${'='.repeat(100)}\nLEFT OUT: ${what}\n     why: ${reason}\n${'='.repeat(100)}\n`
  if (process.env['INTEROP_REQUIRED'] === '1') throw new Error(block)
  console.warn(block)
  return false
}

const hasKafka = unless(java.ok, 'every client: there is no Apache Kafka to compare with', java.reason)

function canRun({ name, peers }: (typeof CLIENTS)[number]): boolean {
  const missing = peers.map((each) => (each === 'java' ? java : peer(each))).find(({ ok }) => !ok)
  return hasKafka && unless(missing === undefined, `the client ${name}`, missing?.reason ?? '')
}

const clients = CLIENTS.filter(({ name }) => chosen.includes(name)).map((client) => ({
  ...client,
  isHere: canRun(client),
}))

// Said while the file is read: no hook runs when every test is skipped.
console.warn(leftOut.length === 0 ? 'interop clients: nothing LEFT OUT' : `interop: LEFT OUT: ${leftOut.join('; ')}`)

const work = hasKafka ? mkdtempSync(join(tmpdir(), 'vltava-clients-')) : ''
let kafka: Server
let vltava: Server

beforeAll(async () => {
  if (!clients.some(({ isHere }) => isHere)) return
  ;[kafka, vltava] = await Promise.all([startKafka(join(work, 'kafka')), startVltava(join(work, 'vltava'))])
})

afterAll(async () => {
  // Nothing a client did may keep either from a clean end.
  await Promise.all([kafka?.stop(), vltava?.stop()])
  if (work !== '') rmSync(work, { recursive: true, force: true })
})

/** Where a step ended with Apache Kafka: not in an error, or the comparison would compare two failures. */
function isErrorOutcome(outcome: unknown): outcome is { error: string } {
  return typeof outcome === 'object' && outcome !== null && Object.keys(outcome).join() === 'error'
}

describe.each(clients)('$name', (client) => {
  const runs: { kafka?: Run; vltava?: Run } = {}

  beforeAll(async () => {
    if (!client.isHere) return
    const both = await Promise.all([runScenario(client, kafka.bootstrap), runScenario(client, vltava.bootstrap)])
    ;[runs.kafka, runs.vltava] = both
  }, TIMEOUT_MS)

  it.skipIf(!client.isHere)('runs its scenario to the end, with both', () => {
    expect(runs.kafka?.ended, `with Apache Kafka:\n${runs.kafka?.stderr.slice(-4000)}`).toBe('')
    expect(runs.vltava?.ended, `with Vltava:\n${runs.vltava?.stderr.slice(-4000)}`).toBe('')
    expect([...runs.kafka!.outcomes.keys()].sort(), 'its steps').toEqual([...client.steps].sort())
  })

  it.skipIf(!client.isHere).each(client.steps)('%s', (step) => {
    const expected = runs.kafka?.outcomes.get(step)
    const found = runs.vltava?.outcomes.get(step)
    if (!client.errors.includes(step))
      expect(isErrorOutcome(expected), `Kafka: ${JSON.stringify(expected)}`).toBe(false)
    if (step.startsWith('consume-')) expect((expected as { wrong?: number }).wrong ?? 0, 'wrong records').toBe(0)
    expect(differences(normalise(step, expected), normalise(step, found))).toEqual([])
  })

  it.skipIf(!client.isHere).each(client.protocols)(
    'group of three, one killed, %s protocol',
    async (protocol) => {
      const both = [runGroup(client, kafka.bootstrap, protocol), runGroup(client, vltava.bootstrap, protocol)]
      const [expected, found] = await Promise.all(both)
      expect(expected?.outcome, `with Apache Kafka:\n${expected?.stderr.slice(-4000)}`).toMatchObject({
        three: [2, 2, 2],
        oneKilled: [3, 3],
        oneLeft: [6],
        seenAtLast: 1800,
      })
      expect(differences(expected?.outcome, found?.outcome), found?.stderr.slice(-4000)).toEqual([])
    },
    TIMEOUT_MS,
  )

  it.skipIf(!client.isHere)(
    "wrote what Kafka's Java consumer reads alike from both",
    async () => {
      const topics = CODECS.map((codec) => `${client.name}-${codec}`).filter((_, i) =>
        client.steps.includes(`produce-${CODECS[i]}`),
      )
      const written = topics.filter((topic) => {
        const step = `produce-${topic.slice(client.name.length + 1)}`
        return !isErrorOutcome(runs.kafka?.outcomes.get(step))
      })
      if (written.length === 0) return
      const read = async (server: Server): Promise<unknown> => {
        const records = await readBack({ bootstrap: server.bootstrap } as Parameters<typeof readBack>[0], written)
        // A client that stamps its records by its own clock does so twice.
        return client.stampsByClock ? records.map((record) => ({ ...record, timestamp: 0 })) : records
      }
      const [expected, found] = await Promise.all([read(kafka), read(vltava)])
      expect(found).toEqual(expected)
    },
    TIMEOUT_MS,
  )
})

/** librdkafka and the Java client once more, through a proxy that sends each byte by itself. */
describe('every frame cut at every byte, both ways', () => {
  const cut = clients.filter(({ name }) => ['confluent', 'java'].includes(name))

  it.each(cut)(
    'changes nothing for a group of $name',
    async (client) => {
      if (!client.isHere) return
      const proxy = await startSegmentingProxy()
      const server = await startVltava(join(work, `cut-${client.name}`), { advertise: proxy.address })
      proxy.forwardTo(server.bootstrap)
      try {
        const { outcome, stderr } = await runGroup(client, proxy.address, 'classic')
        expect(outcome, stderr.slice(-4000)).toMatchObject({ oneKilled: [3, 3], oneLeft: [6], seenAtLast: 1800 })
        expect(proxy.bytes()).toBeGreaterThan(10_000)
      } finally {
        await proxy.close()
        await server.stop()
      }
    },
    TIMEOUT_MS,
  )
})
