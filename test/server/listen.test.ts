/** Real sockets: sendfile and its fallback, slow readers, ports, threads, the end of a listener. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Log, open } from '../workers/built.ts'
import { batchOf, fetchRequest, type Fields, frameOf, produceRequest } from './harness.ts'
import { apiOf } from '../../src/protocol/messages/apis.ts'
import { readResponseHeader } from '../../src/protocol/wire/headers.ts'
import { WireReader } from '../../src/protocol/wire/wire-reader.ts'

let directory: string
let log: Log

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'vltava-listen-'))
  log = await open({ dir: directory })
  await log.admin.createTopics([{ topic: 't', partitions: 1 }])
})
afterEach(async () => {
  await log.close()
  rmSync(directory, { recursive: true })
})

class TcpClient {
  readonly socket: Socket
  #bytes: Buffer[] = []
  #length = 0
  #wake: () => void = () => undefined
  isEnded = false

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('data', (chunk) => {
      this.#bytes.push(chunk)
      this.#length += chunk.length
      this.#wake()
    })
    this.socket.on('error', () => undefined)
    this.socket.on('close', () => {
      this.isEnded = true
      this.#wake()
    })
  }

  send(api: number, version: number, request: Fields): void {
    this.socket.write(frameOf(api, version, request))
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#length < length) {
      if (this.isEnded) throw new Error('the connection was closed')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const all = Buffer.concat(this.#bytes)
    this.#bytes = [all.subarray(length)]
    this.#length -= length
    return all.subarray(0, length)
  }

  async response(api: number, version: number): Promise<Fields> {
    const length = (await this.#take(4)).readInt32BE(0)
    const reader = new WireReader(await this.#take(length))
    readResponseHeader(reader, apiOf(api)!, version)
    return apiOf(api)!.response.read(reader, version)
  }

  async ask(api: number, version: number, request: Fields): Promise<Fields> {
    this.send(api, version, request)
    return await this.response(api, version)
  }

  async closed(): Promise<void> {
    while (!this.isEnded) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

async function fill(port: number, batches: number): Promise<void> {
  const client = new TcpClient(port)
  for (let i = 0; i < batches; i++) {
    await client.ask(0, 9, produceRequest('t', batchOf([`${i} `.repeat(200_000).slice(0, 700_000)])))
  }
  client.socket.destroy()
}

function recordsOf(body: Fields): Buffer {
  const [response] = body['responses'] as { partitions: { records: Uint8Array }[] }[]
  return Buffer.from(response!.partitions[0]!.records)
}

const all = (): Fields => fetchRequest('t', 0, { partitionMaxBytes: 50 << 20 })

describe('an answer of many megabytes', () => {
  it('is the bytes of the file, to a reader that stops in between', async () => {
    const listener = await log.listen({ port: 0 })
    await fill(listener.port, 40)
    const file = readFileSync(join(directory, 't-0', '00000000000000000000.log'))
    const client = new TcpClient(listener.port)
    client.socket.pause()
    client.send(1, 11, all())
    client.send(1, 11, all())
    // Another one is served while this one does not read.
    const healthy = new TcpClient(listener.port)
    expect(recordsOf(await healthy.ask(1, 11, all())).equals(file)).toBe(true)
    client.socket.resume()
    for (let i = 0; i < 2; i++) expect(recordsOf(await client.response(1, 11)).equals(file)).toBe(true)
    client.socket.destroy()
    healthy.socket.destroy()
  })

  it('is given up when its reader goes, and nothing stays open', async () => {
    const listener = await log.listen({ port: 0, metrics: { port: 0 } })
    await fill(listener.port, 40)
    for (let i = 0; i < 5; i++) {
      const client = new TcpClient(listener.port)
      client.socket.pause()
      client.send(1, 11, all())
      await new Promise((resolve) => client.socket.once('readable', resolve))
      client.socket.resetAndDestroy()
    }
    const client = new TcpClient(listener.port)
    await client.ask(1, 11, all())
    await expect
      .poll(() => metric(listener.metricsPort!, 'kafka_server_socket_server_metrics_connection_count'))
      .toBe(1)
    client.socket.destroy()
  })
})

it('records are not copied in user space where there is sendfile, and the same without', async () => {
  for (const setting of ['', 'off']) {
    const script = new URL('fetch-counters.mjs', import.meta.url).pathname
    const env = { ...process.env, VLTAVA_NATIVE: setting }
    const { stdout, stderr, status } = spawnSync(process.execPath, [script], { env, encoding: 'utf8' })
    expect(status, stderr).toBe(0)
    const { sendfile, bytes, sent, copied, isSame } = JSON.parse(stdout) as Record<string, number | boolean>
    expect(isSame).toBe(true)
    expect([sent, copied]).toEqual(sendfile === true ? [bytes, 0] : [0, bytes])
  }
})

async function metric(port: number, name: string): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(page)?.[1])
}

describe('a listener', () => {
  it('says that its port is in use', async () => {
    const { port } = await log.listen({ port: 0 })
    await expect(log.listen({ port })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' })
    await expect(log.listen({ host: '203.0.113.1', port: 0 })).rejects.toMatchObject({ code: 'ADDRESS_UNUSABLE' })
    await expect(log.listen({ port: 70_000 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(log.listen({ port: 0, settings: { 'max.connections': 'x' } })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
    })
  })

  it('has several addresses, and tells each one its own', async () => {
    const listener = await log.listen({
      listeners: [{ port: 0 }, { port: 0, advertisedHost: 'example.org', advertisedPort: 7000 }],
    })
    expect(listener.ports).toHaveLength(2)
    const brokers: unknown[] = []
    for (const port of listener.ports) {
      const client = new TcpClient(port)
      brokers.push(((await client.ask(3, 9, { topics: null }))['brokers'] as Fields[])[0])
      client.socket.destroy()
    }
    expect(brokers).toMatchObject([
      { host: '127.0.0.1', port: listener.port },
      { host: 'example.org', port: 7000 },
    ])
  })

  it('serves one port by three threads', async () => {
    const listener = await log.listen({ port: 0, threads: 3 })
    const clients = Array.from({ length: 30 }, () => new TcpClient(listener.port))
    await Promise.all(clients.map((client) => client.ask(0, 9, produceRequest('t', batchOf(['v'])))))
    const fetched = await clients[0]!.ask(1, 11, all())
    expect((fetched['responses'] as { partitions: Fields[] }[])[0]!.partitions[0]!['highWatermark']).toBe(30)
    for (const { socket } of clients) socket.destroy()
    await listener.close()
    await expect(new TcpClient(listener.port).ask(18, 0, {})).rejects.toThrow('closed')
  })

  it('ends with its log, whose clients are closed, waiting ones too', async () => {
    const { port } = await log.listen({ port: 0 })
    const client = new TcpClient(port)
    await client.ask(18, 0, {})
    client.send(1, 11, fetchRequest('t', 0, { maxWaitMs: 60_000 }))
    const ended = client.closed()
    await log.close()
    await ended
  })
})
