/** The examples, run as a user runs them. What they print is checked against what is in their directory afterwards. */
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ExampleProcess, runExample } from './example-process.ts'
import { valuesIn } from './values-in.ts'

let dir: string
const closers: (() => void)[] = []

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'vltava-examples-'))
})

afterEach(() => {
  for (const close of closers.splice(0)) close()
  rmSync(dir, { recursive: true })
})

it('the README names every example, and only those', () => {
  const named = [...readFileSync('examples/README.md', 'utf8').matchAll(/examples\/([\w-]+\.mjs)/g)].map(
    ([, file]) => file,
  )
  expect(named.sort()).toEqual(
    readdirSync('examples')
      .filter((file) => file !== 'README.md')
      .sort(),
  )
})

it('two producers and a consumer: every record arrives, also on a second run in the same directory', async () => {
  for (let run = 1; run <= 2; run++) {
    const said = await runExample('two-producers-one-consumer', dir, '--records', '20000')
    expect(said).toContain('consumer: 20000 from left, 20000 from right, each in order\n')
    expect(said).toContain('done: 40000 records')
    expect((await valuesIn(dir, 'steps')).size).toBe(run * 40_000)
  }
})

it('replay from a timestamp: half an hour of a day, the same each time', async () => {
  const first = await runExample('replay-from-timestamp', dir)
  expect(first).toContain('720 readings from 2025-03-01T12:00:00.000Z until 2025-03-01T12:30:00.000Z')
  expect(first.match(/180 readings, highest \d+/g)).toHaveLength(4)
  expect(await runExample('replay-from-timestamp', dir)).toBe(first)
})

it('outbox: with a receiver of its own, a refused delivery is repeated, and nothing is forwarded twice', async () => {
  const first = await runExample('outbox', dir, '--once', '--orders', '50')
  expect(first).toContain('refused with 503, trying again')
  expect(first).toContain('50 orders forwarded')
  expect(await runExample('outbox', dir, '--once', '--orders', '0')).toContain('0 orders forwarded')
  expect(await runExample('outbox', dir, '--once', '--orders', '7')).toContain('7 orders forwarded')
})

it('outbox: killed between delivery and answer, it delivers the same orders again and loses none', async () => {
  const deliveries: string[][] = []
  const url = await receive((ids, response) => {
    deliveries.push(ids)
    if (deliveries.length === 1) example.kill('SIGKILL')
    else response.end()
  })
  const example = new ExampleProcess('outbox', dir, '--once', '--orders', '100', '--to', url)
  expect((await example.ended).signal).toBe('SIGKILL')
  expect(await runExample('outbox', dir, '--once', '--orders', '10', '--to', url)).toContain('110 orders forwarded')
  expect(deliveries[1]).toEqual(deliveries[0])
  const all = Array.from({ length: 110 }, (_, offset) => `outbox-0-${offset}`)
  expect(deliveries.slice(1).flat()).toEqual(all)
})

it('one program on the embedded log and over TCP, with the same outcome', async () => {
  expect(await runExample('embedded-or-cluster', dir)).toContain(': 7 customers, 599500 cents')
  expect(await runExample('embedded-or-cluster', dir, '--serve')).toMatch(
    /on 127\.0\.0\.1:\d+: 7 customers, 599500 cents/,
  )
})

it('http-ingest: once, by itself', async () => {
  const said = await runExample('http-ingest', dir, '--once', '--port', '0')
  expect(said).toContain('answered 202 {"partition":')
  expect(said).toContain('stopped: 1 events accepted')
  expect([...(await valuesIn(dir, 'events')).values()]).toEqual(['hello'])
})

/** A server that takes deliveries; returns its address. `take` answers, or does not. */
async function receive(take: (ids: string[], response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) => {
    void json(request).then((orders) =>
      take(
        (orders as { id: string }[]).map(({ id }) => id),
        response,
      ),
    )
  })
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}
