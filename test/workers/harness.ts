/** What tests of an open log with real threads share: directories, failpoints, notices, threads that attach. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach } from 'vitest'
import { type Log, type LogNotice, open, type OpenOptions } from './built.ts'

type Cleanup = () => void | Promise<void>
const cleanups: Cleanup[] = []

/** Runs after the test, last registered first. */
export function onCleanup(cleanup: Cleanup): void {
  cleanups.push(cleanup)
}

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'vltava-test-'))
  onCleanup(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

type NoticeOf<T extends LogNotice['type']> = Extract<LogNotice, { type: T }>

/** Notices of a log, in order, each taken once. */
export class Notices {
  readonly all: LogNotice[] = []
  readonly #untaken: LogNotice[] = []
  #wake: () => void = () => undefined

  readonly listener = (notice: LogNotice): void => {
    this.all.push(notice)
    this.#untaken.push(notice)
    this.#wake()
  }

  async next<T extends LogNotice['type']>(type: T): Promise<NoticeOf<T>> {
    for (;;) {
      const index = this.#untaken.findIndex((notice) => notice.type === type)
      if (index >= 0) return this.#untaken.splice(index, 1)[0] as NoticeOf<T>
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

export interface OpenedLog {
  readonly log: Log
  readonly dir: string
  readonly notices: Notices
  /** When the failpoint acted first, on the wall clock; see VLTAVA_FAILPOINTS_ONCE. */
  actedMs(failpoint: string): number
}

export interface HarnessOptions extends Partial<OpenOptions> {
  /** VLTAVA_FAILPOINTS of the log's threads. */
  readonly failpoints?: string
  /** Each failpoint acts again in each thread that is started. Default: once. */
  readonly isRepeated?: boolean
}

/** Opens a log, by default in a new directory, and closes it after the test if it is still open. */
export async function openLog(options: HarnessOptions = {}): Promise<OpenedLog> {
  const { failpoints, isRepeated, ...rest } = options
  const dir = rest.dir ?? join(temporaryDirectory(), 'data')
  const onceFolder = join(temporaryDirectory(), 'once')
  mkdirSync(onceFolder)
  const notices = new Notices()
  const log = await withEnvironment(
    failpoints === undefined
      ? {}
      : { VLTAVA_FAILPOINTS: failpoints, ...(isRepeated === true ? {} : { VLTAVA_FAILPOINTS_ONCE: onceFolder }) },
    () => open({ shards: 1, onNotice: notices.listener, ...rest, dir }),
  )
  onCleanup(async () => {
    if (!log.isClosed) await log.close()
  })
  return { log, dir, notices, actedMs: (failpoint) => statSync(join(onceFolder, failpoint)).birthtimeMs }
}

/** The dispatcher copies the environment when it is started, and the shards its copy. */
async function withEnvironment<T>(variables: Record<string, string>, call: () => Promise<T>): Promise<T> {
  Object.assign(process.env, variables)
  try {
    return await call()
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name]
  }
}

export interface StoredRecord {
  readonly partition: number
  readonly offset: number
  readonly value: string
}

export async function readAll(log: Log, topic: string): Promise<StoredRecord[]> {
  const consumer = log.consumer<Uint8Array, string>({ value: 'string', from: 'earliest' })
  await consumer.subscribe([topic])
  const records: StoredRecord[] = []
  for await (const batch of consumer.batches({ until: 'end' })) {
    for (const { partition, offset, value } of batch) records.push({ partition, offset, value: value ?? '' })
  }
  await consumer.close()
  return records
}

/** The code of the error that a call throws or rejects with; 'none' if it does not. */
export async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code)
    throw error
  }
  return 'none'
}

export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

export function threadCount(): number {
  return readdirSync('/proc/self/task').length
}

/** What client-thread.mjs says. */
export type ClientMessage =
  | { readonly type: 'attached' }
  | { readonly type: 'acknowledged'; readonly records: readonly StoredRecord[] }
  | { readonly type: 'consumed'; readonly values: readonly string[] }
  | { readonly type: 'ended'; readonly code: string; readonly records: readonly StoredRecord[] }

export interface ClientOptions {
  readonly address: string
  readonly topic: string
  readonly partition?: number
  /** First part of each value. */
  readonly name: string
  /** What it does after it attached. */
  readonly task: 'produce' | 'produce-for-ever' | 'hold' | 'fill-memory' | 'end-without-close'
  readonly count?: number
  readonly acks?: 'all' | 1
  readonly memoryBytes?: number
}

/** A worker thread that attaches to the log; see client-thread.mjs. */
export class ClientThread {
  readonly worker: Worker
  readonly ended: Promise<number>
  readonly #messages: ClientMessage[] = []
  #error: unknown
  #hasEnded = false
  #wake: () => void = () => undefined

  constructor(options: ClientOptions) {
    this.worker = new Worker(new URL('./client-thread.mjs', import.meta.url), { workerData: options })
    this.worker.on('message', (message: ClientMessage) => {
      this.#messages.push(message)
      this.#wake()
    })
    this.worker.on('error', (error) => {
      this.#error = error
    })
    this.ended = new Promise((resolve) => {
      this.worker.on('exit', (status) => {
        this.#hasEnded = true
        this.#wake()
        resolve(status)
      })
    })
    onCleanup(async () => void (await this.worker.terminate()))
  }

  async next<T extends ClientMessage['type']>(type: T): Promise<Extract<ClientMessage, { type: T }>> {
    for (;;) {
      const index = this.#messages.findIndex((message) => message.type === type)
      if (index >= 0) return this.#messages.splice(index, 1)[0] as Extract<ClientMessage, { type: T }>
      if (this.#hasEnded) throw new Error(`client thread ended without '${type}'`, { cause: this.#error })
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
