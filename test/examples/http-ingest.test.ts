/** The ingestion example under real requests: what it refuses, how it stops, and what a kill leaves. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ExampleProcess } from './example-process.ts'
import { valuesIn } from './values-in.ts'

const CLIENTS = 16
/** The kill comes while the other clients' requests are under way. */
const ACCEPTED_BEFORE_KILL = 500

let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'vltava-examples-'))
})

afterEach(() => {
  rmSync(dir, { recursive: true })
})

it('killed amid requests, it has every event that it answered with 202, where it said', async () => {
  const accepted = new Map<string, string>()
  let { server, url } = await start()
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    for (let i = 0; ; i++) {
      const body = `client ${client} event ${i}`
      const answer = await post(url, body)
      if (answer === undefined) return
      expect(answer.status).toBe(202)
      expect(accepted.has(answer.place)).toBe(false)
      accepted.set(answer.place, body)
      if (accepted.size === ACCEPTED_BEFORE_KILL) server.kill('SIGKILL')
    }
  })
  await Promise.all(clients)
  expect((await server.ended).signal).toBe('SIGKILL')
  expect(accepted.size).toBeGreaterThanOrEqual(ACCEPTED_BEFORE_KILL)
  const found = await valuesIn(dir, 'events')
  for (const [place, body] of accepted) expect(found.get(place)).toBe(body)

  ;({ server, url } = await start())
  const after = await post(url, 'after the kill')
  expect(after?.status).toBe(202)
  expect(found.has(after!.place)).toBe(false)
  server.kill('SIGTERM')
  expect(await server.ended).toMatchObject({ status: 0, stderr: '' })
  const foundAfter = await valuesIn(dir, 'events')
  for (const [place, body] of [...found, [after!.place, 'after the kill'] as const]) {
    expect(foundAfter.get(place)).toBe(body)
  }
})

it('answers 503 with Retry-After while unanswered requests fill its bound, and 202 afterwards', async () => {
  const { server, url } = await start('--max-bytes', '1000')
  const slow = await begin(url, 600)
  const busy = await post(url, 'x'.repeat(600))
  expect(busy).toMatchObject({ status: 503, retryAfter: '1' })
  expect(await post(url, 'y'.repeat(400))).toMatchObject({ status: 202 })
  slow.end('s'.repeat(600))
  expect((await responseOf(slow)).statusCode).toBe(202)
  expect(await post(url, 'x'.repeat(600))).toMatchObject({ status: 202 })

  // Nothing of a client that leaves in mid-sentence stays: neither a record nor its share of the bound.
  const leaving = await begin(url, 1000)
  leaving.write('half')
  leaving.destroy()
  await expect(once(leaving, 'close')).rejects.toThrow('socket hang up')
  await expect.poll(async () => (await post(url, 'z'.repeat(1000)))?.status, { timeout: 60_000 }).toBe(202)

  server.kill('SIGTERM')
  const { status, stdout } = await server.ended
  expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining('stopped: 4 events') })
  const sizes = [...(await valuesIn(dir, 'events')).values()].map((value) => `${value[0]}${value.length}`)
  expect(sizes.sort()).toEqual(['s600', 'x600', 'y400', 'z1000'])
})

it('refuses what is not an event: another method, no length, too much', async () => {
  const { server, url } = await start()
  expect((await fetch(url)).status).toBe(405)
  const unmeasured = request(url, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } }).end('x')
  expect((await responseOf(unmeasured)).statusCode).toBe(411)
  expect(await post(url, Buffer.alloc((512 << 10) + 1))).toMatchObject({ status: 413 })
  expect(await post(url, Buffer.alloc(512 << 10))).toMatchObject({ status: 202 })
  server.kill('SIGTERM')
  expect(await server.ended).toMatchObject({ status: 0, stderr: '' })
})

it('told to stop, it answers the request that has begun, takes no other, and ends with status 0', async () => {
  const { server, url } = await start()
  const begun = await begin(url, 5)
  server.kill('SIGTERM')
  await server.says(/^stopping$/m)
  expect(await post(url, 'too late')).toBeUndefined()
  begun.end('begun')
  const response = await responseOf(begun)
  expect(response.statusCode).toBe(202)
  expect(response.headers.connection).toBe('close')
  expect(await server.ended).toMatchObject({ status: 0, stderr: '' })
  expect([...(await valuesIn(dir, 'events')).values()]).toEqual(['begun'])
})

async function start(...args: string[]): Promise<{ server: ExampleProcess; url: string }> {
  const server = new ExampleProcess('http-ingest', dir, '--port', '0', ...args)
  const [, url] = await server.says(/^listening on (\S+),/m)
  return { server, url: url! }
}

interface Answer {
  readonly status: number
  readonly retryAfter: string | null
  /** `partition:offset` of a 202. */
  readonly place: string
}

/** Undefined: the server is not there, or ended before it answered in full. */
async function post(url: string, body: string | Buffer): Promise<Answer | undefined> {
  try {
    const response = await fetch(url, { method: 'POST', body })
    const { partition, offset } = (await response.json()) as { partition?: number; offset?: number }
    return { status: response.status, retryAfter: response.headers.get('retry-after'), place: `${partition}:${offset}` }
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

/** A request of which the server has seen the headers (it said 100) and nothing else. */
async function begin(url: string, sizeBytes: number): Promise<ClientRequest> {
  const headers = { 'content-length': sizeBytes, expect: '100-continue' }
  const begun = request(url, { method: 'POST', headers })
  begun.flushHeaders()
  await once(begun, 'continue')
  return begun
}

async function responseOf(sent: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  await text(response)
  return response
}
