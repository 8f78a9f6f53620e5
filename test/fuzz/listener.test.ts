/**
 * Frames that were damaged at random, of every API and version that is served, beside a healthy client. Properties: the
 * server answers or closes the connection with a reason, and never fails itself; it gives back all memory; the healthy
 * client is served as if nothing were.
 *
 * FUZZ_SCALE 25 (`npm run test:fuzz`) are 200,000 frames; for millions: FUZZ_SCALE=500.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { apiOf } from '../../src/protocol/messages/apis.ts'
import { writeRequestHeader } from '../../src/protocol/wire/headers.ts'
import { WireWriter } from '../../src/protocol/wire/wire-writer.ts'
import { messageLines } from '../protocol/messages/kafka-messages.ts'
import { mulberry32, testSeed } from '../random.ts'
import {
  batchOf,
  type Client,
  fetchedOf,
  fetchRequest,
  type Harness,
  outcomeOf,
  produceRequest,
} from '../server/harness.ts'
import { startServer } from '../server/harness.ts'
import { type Draw, FUZZ_SCALE, mutate } from './mutations.ts'

const FRAMES = 8_000 * FUZZ_SCALE
const FRAMES_PER_CONNECTION = 40
const FRAMES_PER_CHECK = 400
const TURNS_MAX = 20
/** Requests whose damage would make or delete thousands of topics on a real disk: a few of each are enough. */
const HEAVY: ReadonlySet<number> = new Set([19, 20, 37])

const seed = testSeed()
let harness: Harness

beforeAll(async () => {
  harness = await startServer({ 'queued.max.request.bytes': String(8 << 20), 'auto.create.topics.enable': 'false' })
  await harness.createTopic('healthy')
  await harness.createTopic('t', 2)
})
afterAll(() => harness.close())

const requests = messageLines.filter(({ api, direction }) => direction === 'request' && api !== 17 && api !== 36)

function frameOfLine(line: (typeof requests)[number], draw: Draw): Uint8Array {
  const writer = new WireWriter()
  const length = writer.claim(4)
  const api = apiOf(line.api)!
  writeRequestHeader(writer, api, { apiKey: line.api, apiVersion: line.version, correlationId: 7, clientId: 'fuzz' })
  writer.raw(Buffer.from(line.bytes, 'base64'))
  writer.patchInt32(length, writer.position - 4)
  const frame = writer.finish().slice()
  if (draw(4) === 0) return frame
  // Mostly the body: what is wrong with the first bytes is found out at once.
  const from = draw(8) === 0 ? 0 : 4
  const mutant = mutate(frame.subarray(from), draw)
  const bytes = new Uint8Array(from + mutant.length)
  bytes.set(frame.subarray(0, from))
  bytes.set(mutant, from)
  if (from > 0 && draw(8) > 0) new DataView(bytes.buffer).setInt32(0, bytes.length - 4)
  return bytes
}

/** An answer, while time goes by: another client may hold memory until it is seen to be stuck. */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  let isHere = false
  void answer.finally(() => (isHere = true))
  for (let turn = 0; !isHere; turn++) {
    if (turn % 50 === 49 && harness.server.memory.waitingCount > 0) harness.time.advance(1000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return await answer
}

/** Produces one record and reads it back. */
async function beHealthy(client: Client, count: number): Promise<void> {
  const produced = outcomeOf(await inTime(client.ask(0, 9, produceRequest('healthy', batchOf([`value ${count}`])))))
  expect(produced).toMatchObject({ errorCode: 0, baseOffset: count })
  const fetched = fetchedOf(await inTime(client.ask(1, 11, fetchRequest('healthy', count))))
  expect(Buffer.from(fetched!.records).toString('latin1')).toContain(`value ${count}`)
}

/** Gives the server some turns to answer; requests that wait for something else are left waiting. */
async function answersOf(client: Client): Promise<number> {
  for (let turn = 0; turn < TURNS_MAX && client.frameCount === 0 && !client.connection.isClosed; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  const count = client.frameCount
  for (let i = 0; i < count; i++) await client.nextFrame()
  return count
}

it(`damaged frames harm nobody (SEED=${seed})`, async () => {
  const random = mulberry32(seed)
  const draw: Draw = (limit) => Math.floor(random() * limit)
  const healthy = harness.client()
  const counts = { sent: 0, closed: 0, healthy: 0, heavy: 0, answered: 0 }
  let client = harness.client()
  for (; counts.sent < FRAMES; counts.sent++) {
    const line = requests[draw(requests.length)]!
    if (HEAVY.has(line.api) && ++counts.heavy > 40) continue
    if (client.connection.isClosed || counts.sent % FRAMES_PER_CONNECTION === 0) {
      if (client.connection.isClosed) counts.closed += 1
      client.connection.hangUp()
      client = harness.client()
    }
    client.connection.send(frameOfLine(line, draw))
    counts.answered += await answersOf(client)
    if (counts.sent % FRAMES_PER_CHECK !== 0) continue
    await beHealthy(healthy, counts.healthy)
    counts.healthy += 1
    harness.time.advance(1000)
    expect(harness.server.memory.heapBytes, `SEED=${seed}`).toBeLessThanOrEqual(16 << 20)
  }
  client.connection.hangUp()
  await beHealthy(healthy, counts.healthy)
  healthy.connection.hangUp()
  expect(harness.server.connectionCount).toBe(0)
  expect(harness.server.memory.heapBytes).toBe(0)
  expect(counts.closed).toBeGreaterThan(FRAMES / 1000)
  expect(counts.answered).toBeGreaterThan(FRAMES / 10)
  expect(harness.lines.filter((text) => text.startsWith('error:')).slice(0, 5), `SEED=${seed}`).toEqual([])
})
