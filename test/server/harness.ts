/** A server over a network in memory and a real log, and clients that speak frames. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock, Env, Timers } from '../../src/base/env/env.ts'
import type * as RealEnvModule from '../../src/base/env/real-env.ts'
import type * as OpenModule from '../../src/engine/open.ts'
import { apiOf } from '../../src/protocol/messages/apis.ts'
import { readResponseHeader, writeRequestHeader } from '../../src/protocol/wire/headers.ts'
import { WireReader } from '../../src/protocol/wire/wire-reader.ts'
import { WireWriter } from '../../src/protocol/wire/wire-writer.ts'
import type * as NetServerModule from '../../src/server/net-server.ts'
import type * as SettingsModule from '../../src/server/settings.ts'
import { BatchBuilder, NO_HEADERS } from '../../src/record/batch-builder.ts'
import type { CompressionName } from '../../src/record/compression/codec.ts'
import { type MemoryConnection, MemoryNet } from './memory-net.ts'

/** Threads start from dist, and what they share with this one is of the same modules. */
const load = (path: string): Promise<unknown> => import(new URL(`../../dist/${path}`, import.meta.url).href)
const { openLocal } = (await load('engine/open.js')) as typeof OpenModule
const { realEnv } = (await load('base/env/real-env.js')) as typeof RealEnvModule
const { NetServer } = (await load('server/net-server.js')) as typeof NetServerModule
const { BrokerSettings } = (await load('server/settings.js')) as typeof SettingsModule

/** Time that stands still until it is moved; real waiting goes on beside it. */
export class ManualTime implements Clock, Timers {
  #nowMs = 1_000
  readonly #timers = new Set<{ dueMs: number; callback: () => void }>()

  wallMs(): number {
    return Date.now()
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, callback: () => void): { cancel(): void } {
    const timer = { dueMs: this.#nowMs + delayMs, callback }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }

  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs
    for (;;) {
      const due = [...this.#timers].filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0]
      if (due === undefined) break
      this.#timers.delete(due)
      this.#nowMs = Math.max(this.#nowMs, due.dueMs)
      due.callback()
    }
    this.#nowMs = endMs
  }
}

export interface Harness {
  readonly net: MemoryNet
  readonly time: ManualTime
  readonly server: InstanceType<typeof NetServer>
  readonly transport: Awaited<ReturnType<typeof openLocal>>['transport']
  readonly directory: string
  readonly lines: string[]
  client(windowBytes?: number): Client
  createTopic(topic: string, partitions?: number, configs?: Record<string, string>): Promise<void>
  close(): Promise<void>
}

export async function startServer(settings: Record<string, string> = {}, memoryBytes = 16 << 20): Promise<Harness> {
  const directory = mkdtempSync(join(tmpdir(), 'vltava-server-'))
  const options = { directory, shards: 1, retentionCheckMs: 300_000, checkpointMs: 300_000, memoryBytes }
  const { transport, groups } = await openLocal(options, () => undefined)
  const net = new MemoryNet()
  const time = new ManualTime()
  const lines: string[] = []
  const env: Env = { ...realEnv, clock: time, timers: time }
  const server = new NetServer({
    env,
    net,
    transport,
    groups,
    settings: new BrokerSettings(settings),
    clusterId: 'test',
    log: (level, message) => void lines.push(`${level}: ${message}`),
  })
  const broker = { clusterId: 'test', nodeId: 1, host: 'localhost', rack: null }
  await server.listen('127.0.0.1', 0, undefined, (port) => ({ ...broker, port }))
  return {
    net,
    time,
    server,
    transport,
    directory,
    lines,
    client: (windowBytes) => new Client(net.connect(windowBytes)),
    async createTopic(topic, partitions = 1, configs = {}) {
      await transport.request({ type: 'createTopics', topics: [{ topic, partitions, configs }], validateOnly: false })
    },
    async close() {
      const closing = server.close(0)
      time.advance(1)
      await closing
      await transport.close()
      rmSync(directory, { recursive: true })
    },
  }
}

export type Fields = Record<string, unknown>

export function frameOf(api: number, version: number, request: Fields, correlationId = 1, clientId = 'test'): Uint8Array {
  const writer = new WireWriter()
  const length = writer.claim(4)
  const declared = apiOf(api)!
  writeRequestHeader(writer, declared, { apiKey: api, apiVersion: version, correlationId, clientId })
  declared.request.write(writer, version, request)
  writer.patchInt32(length, writer.position - 4)
  return writer.finish()
}

export class Client {
  readonly connection: MemoryConnection
  readonly #frames: Uint8Array[] = []
  #bytes = Buffer.alloc(0)
  #waiting: (() => void)[] = []
  #correlationId = 0
  readonly closed: Promise<void>

  constructor(connection: MemoryConnection) {
    this.connection = connection
    this.closed = new Promise((resolve) => {
      connection.onClosed = (): void => {
        this.#wake()
        resolve()
      }
    })
    connection.onReceived = (bytes): void => {
      this.#bytes = Buffer.concat([this.#bytes, bytes])
      while (this.#bytes.length >= 4 && this.#bytes.length >= 4 + this.#bytes.readInt32BE(0)) {
        const end = 4 + this.#bytes.readInt32BE(0)
        this.#frames.push(Uint8Array.from(this.#bytes.subarray(4, end)))
        this.#bytes = this.#bytes.subarray(end)
      }
      this.#wake()
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  get frameCount(): number {
    return this.#frames.length
  }

  /** Bytes of a frame that has not come whole. */
  get partialBytes(): number {
    return this.#bytes.length
  }

  /** The next frame, without its length. Rejects if the connection closes instead. */
  async nextFrame(): Promise<Uint8Array> {
    while (this.#frames.length === 0) {
      if (this.connection.isClosed) throw new Error('the connection was closed')
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    return this.#frames.shift()!
  }

  async response(api: number, version: number): Promise<{ correlationId: number; body: Fields }> {
    const reader = new WireReader(await this.nextFrame())
    const correlationId = readResponseHeader(reader, apiOf(api)!, version)
    return { correlationId, body: apiOf(api)!.response.read(reader, version) }
  }

  send(api: number, version: number, request: Fields): number {
    this.#correlationId += 1
    this.connection.send(frameOf(api, version, request, this.#correlationId))
    return this.#correlationId
  }

  async ask(api: number, version: number, request: Fields): Promise<Fields> {
    this.send(api, version, request)
    return (await this.response(api, version)).body
  }
}

export interface BatchOptions {
  readonly compression?: CompressionName
  readonly producerId?: number
  readonly epoch?: number
  readonly sequence?: number
  readonly key?: string | null
}

/** A record batch with these values, as a producer sends it. */
export function batchOf(values: readonly string[], options: BatchOptions = {}): Uint8Array {
  const { compression = 'none', producerId = -1, epoch = -1, sequence = -1, key = null } = options
  const bytes = new Uint8Array(1024 + values.reduce((sum, value) => sum + 64 + value.length, 0))
  const builder = new BatchBuilder()
  builder.open(bytes, new DataView(bytes.buffer), 0, bytes.length)
  const keyBytes = key === null ? null : Buffer.from(key)
  for (const value of values) builder.append(Date.now(), keyBytes, Buffer.from(value), NO_HEADERS)
  const length = builder.close(compression, undefined, 0, producerId, epoch, sequence)
  return bytes.slice(0, length)
}

export function produceRequest(topic: string, batch: Uint8Array | null, acks = 1, partition = 0): Fields {
  return { acks, timeoutMs: 30_000, topicData: [{ name: topic, partitionData: [{ index: partition, records: batch }] }] }
}

export interface ProduceOutcome {
  readonly errorCode: number
  readonly baseOffset: number
  readonly errorMessage: string | null
  readonly recordErrors: readonly unknown[]
  readonly logAppendTimeMs: number
  readonly logStartOffset: number
}

export function outcomeOf(body: Fields): ProduceOutcome {
  const responses = body['responses'] as { partitionResponses: ProduceOutcome[] }[]
  return responses[0]!.partitionResponses[0]!
}

export interface Fetched {
  readonly errorCode: number
  readonly highWatermark: number
  readonly logStartOffset: number
  readonly records: Uint8Array
  readonly abortedTransactions: unknown
}

export function fetchRequest(topic: string, fetchOffset: number, more: Fields = {}, partition = 0): Fields {
  const { partitionMaxBytes = 1 << 20, ...rest } = more
  return {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 50 << 20,
    topics: [{ topic, partitions: [{ partition, fetchOffset, partitionMaxBytes }] }],
    ...rest,
  }
}

export function fetchedOf(body: Fields): Fetched | undefined {
  const responses = body['responses'] as { partitions: Fetched[] }[]
  return responses[0]?.partitions[0]
}
