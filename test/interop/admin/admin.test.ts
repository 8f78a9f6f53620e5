/**
 * The metadata and admin APIs, asked of Apache Kafka and of Vltava over sockets with the same bytes; every field of
 * the answers is compared but texts for people, what names a machine, and the order of lists. Run by
 * `npm run test:interop`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { available, startBroker } from '../kafka/kafka-tools.mjs'
import { open, type Log } from '../../workers/built.ts'
import { type Step, STEPS } from './steps.ts'
import { WireClient } from './wire-client.ts'

const METADATA = 3
const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA'
/** Answers that a change has not reached yet are asked for again: Kafka's broker follows its controller. */
const SETTLE_ATTEMPTS = 20
const SETTLE_MS = 100

const kafka = available()
if (!kafka.ok) {
  if (process.env['INTEROP_REQUIRED'] === '1') throw new Error(kafka.reason)
  console.warn(`\n${'='.repeat(100)}\nLEFT OUT: the admin APIs against Apache Kafka\n     why: ${kafka.reason}\n`)
}

/** A field by its name: left out, or as it is compared. */
function comparable(name: string, value: unknown): unknown {
  if (['throttleTimeMs', 'errorMessage', 'documentation', 'totalBytes', 'usableBytes'].includes(name)) return undefined
  if (['host', 'port', 'clusterId', 'logDir'].includes(name)) return typeof value
  if (name === 'topicId') return value === NO_ID ? 'none' : 'some'
  return normalise(value)
}

function normalise(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normalise).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, comparable(name, field)]))
}

/** A request with the ids that the topics have at this broker. */
async function withIds(client: WireClient, request: object): Promise<object> {
  const text = JSON.stringify(request)
  const names = [...text.matchAll(/\$id:([\w.]+)/g)].map(([, name]) => name!)
  if (names.length === 0) return request
  const asked = { topics: names.map((name) => ({ name })), allowAutoTopicCreation: false }
  const { topics } = (await client.call(METADATA, 12, asked)) as { topics: { name: string; topicId: string }[] }
  return JSON.parse(
    text.replaceAll(/\$id:([\w.]+)/g, (_, name: string) => topics.find((one) => one.name === name)!.topicId),
  ) as object
}

describe.runIf(kafka.ok)('the admin APIs', () => {
  const directory = mkdtempSync(join(tmpdir(), 'vltava-admin-'))
  let broker: Awaited<ReturnType<typeof startBroker>>
  let log: Log
  let theirs: WireClient
  let ours: WireClient

  beforeAll(async () => {
    broker = await startBroker({ dir: join(directory, 'kafka') })
    log = await open({ dir: join(directory, 'vltava') })
    const listener = await log.listen({ port: 0, settings: { 'auto.create.topics.enable': 'false' } })
    theirs = await WireClient.connect(Number(broker.bootstrap.split(':')[1]))
    ours = await WireClient.connect(listener.port)
  })

  afterAll(async () => {
    theirs?.close()
    ours?.close()
    await log?.close()
    await broker?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  async function answerOf(client: WireClient, step: Step): Promise<unknown> {
    return normalise(await client.call(step.key, step.version, await withIds(client, step.request)))
  }

  /** Questions, as opposed to changes, may be put again. */
  const isQuestion = ({ key }: Step): boolean => [3, 23, 32, 35, 48, 60, 61, 74, 75].includes(key)

  it('answer as those of Apache Kafka do', async () => {
    const differences: string[] = []
    for (const step of STEPS) {
      const mine = await answerOf(ours, step)
      let other = await answerOf(theirs, step)
      for (let i = 0; i < SETTLE_ATTEMPTS && isQuestion(step) && JSON.stringify(other) !== JSON.stringify(mine); i++) {
        await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
        other = await answerOf(theirs, step)
      }
      if (JSON.stringify(other) === JSON.stringify(mine)) continue
      differences.push(`${step.name}\n  Kafka:  ${JSON.stringify(other)}\n  Vltava: ${JSON.stringify(mine)}`)
    }
    expect(differences).toEqual([])
    expect(STEPS.length).toBeGreaterThan(100)
  })
})
