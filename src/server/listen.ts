/**
 * startListener: net threads for a log that is open in this process, and the handle that its program holds.
 *
 * The handle belongs to the thread that called. An open listener keeps the process alive, as a server does.
 */
import { Worker } from 'node:worker_threads'
import { type ErrorData, fromErrorData, VltavaError } from '../base/errors.ts'
import type { BoundAddress, Listener, ListenOptions } from '../protocol/listener.ts'
import type { FromNet, ListenOrder, NetStart, ToNet } from './net-messages.ts'
import { BrokerSettings } from './settings.ts'

const DEFAULT_HOST = '127.0.0.1'
const DEFAULT_PORT = 9092
const MEMORY_BYTES = 64 << 20
const THREADS_MAX = 64
/** How long answers that are under way may take when a listener closes. */
const GRACE_MS = 2_000

/** Addresses that nobody can connect to, though one can listen there. */
const WILDCARDS = new Set(['0.0.0.0', '::', ''])

/** Rejects with VltavaError ADDRESS_IN_USE, ADDRESS_UNUSABLE, INVALID_ARGUMENT, INVALID_CONFIG, LOG_CLOSED. */
export async function startListener(address: string, options: ListenOptions): Promise<Listener> {
  const orders = ordersOf(options)
  const settings = options.settings ?? {}
  void new BrokerSettings(settings) // Refused here, where the caller is.
  const { threads = 1, metrics, onLog } = options
  if (!Number.isInteger(threads) || threads < 1 || threads > THREADS_MAX) {
    throw new VltavaError('INVALID_ARGUMENT', `threads=${threads} is not a whole number, 1 to ${THREADS_MAX}`)
  }
  if (metrics !== undefined) checkPort('metrics.port', metrics.port, 0)
  const page = metrics === undefined ? undefined : { host: metrics.host ?? DEFAULT_HOST, port: metrics.port }
  const common = { address, memoryBytes: options.memoryBytes ?? MEMORY_BYTES, listeners: orders, settings }
  const first = new NetThread({ ...common, metrics: page, adopted: undefined, sharerCount: threads - 1 }, onLog)
  const { ports, metricsPort, shared } = await first.listening
  if (shared.length < threads - 1) {
    onLog?.({ level: 'warn', message: 'connections are served by one thread: sharing a port needs the addon' })
  }
  const others = shared.map((adopted) => {
    return new NetThread({ ...common, metrics: undefined, adopted, sharerCount: 0 }, onLog)
  })
  const listener = new OpenListener(orders, ports, metricsPort, [first, ...others])
  try {
    await Promise.all(others.map((thread) => thread.listening))
  } catch (error) {
    await listener.close()
    throw error
  }
  return listener
}

function ordersOf(options: ListenOptions): ListenOrder[] {
  const { listeners = [options] } = options
  if (listeners.length === 0) throw new VltavaError('INVALID_ARGUMENT', 'listeners is empty: there is nothing to serve')
  return listeners.map(({ host = DEFAULT_HOST, port = DEFAULT_PORT, advertisedHost, advertisedPort }) => {
    checkPort('port', port, 0)
    if (advertisedPort !== undefined) checkPort('advertisedPort', advertisedPort, 1)
    return { host, port, advertisedHost: advertisedHost ?? connectable(host), advertisedPort }
  })
}

/** Who listens everywhere tells clients to come here; from elsewhere they need an advertised host. */
function connectable(host: string): string {
  return WILDCARDS.has(host) ? 'localhost' : host
}

function checkPort(name: string, port: number, min: number): void {
  if (Number.isInteger(port) && port >= min && port <= 65_535) return
  throw new VltavaError('INVALID_ARGUMENT', `${name}=${port} is no port, ${min} to 65535`)
}

class NetThread {
  readonly listening: Promise<Extract<FromNet, { type: 'listening' }>>
  readonly #worker: Worker
  readonly #ended: Promise<void>

  constructor(start: NetStart, onLog: ListenOptions['onLog']) {
    this.#worker = new Worker(new URL('./net-thread.js', import.meta.url), {
      name: 'vltava-net',
      workerData: start,
      execArgv: [],
    })
    let failure: ErrorData | undefined
    this.#ended = new Promise((resolve) => this.#worker.once('exit', () => resolve()))
    this.listening = new Promise((resolve, reject) => {
      this.#worker.on('message', (message: FromNet) => {
        if (message.type === 'listening') resolve(message)
        if (message.type === 'failed') failure = message.error
        if (message.type === 'log') onLog?.(message.line)
      })
      this.#worker.on('error', (error) => {
        const text = `a net thread threw: ${error instanceof Error ? error.stack : String(error)}`
        failure = { code: 'UNKNOWN_SERVER_ERROR', message: text }
        onLog?.({ level: 'error', message: text })
      })
      this.#worker.once('exit', () => {
        reject(fromErrorData(failure ?? { code: 'LOG_CLOSED', message: 'the log was closed' }))
      })
    })
  }

  async close(): Promise<void> {
    this.#worker.postMessage({ type: 'close', graceMs: GRACE_MS } satisfies ToNet)
    await this.#ended
  }
}

class OpenListener implements Listener {
  readonly addresses: readonly BoundAddress[]
  readonly metricsPort: number | undefined
  readonly #threads: readonly NetThread[]
  #closing: Promise<void> | undefined

  constructor(
    orders: readonly ListenOrder[],
    ports: readonly number[],
    metricsPort: number | undefined,
    threads: readonly NetThread[],
  ) {
    this.metricsPort = metricsPort
    this.addresses = orders.map(({ host, advertisedHost, advertisedPort }, i) => {
      const port = ports[i]!
      return { host, port, advertisedHost, advertisedPort: advertisedPort ?? port }
    })
    this.#threads = threads
  }

  get port(): number {
    return this.addresses[0]!.port
  }

  get ports(): readonly number[] {
    return this.addresses.map(({ port }) => port)
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all(this.#threads.map((thread) => thread.close())).then(() => undefined)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
