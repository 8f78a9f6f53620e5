/**
 * Thread entry of the demo's producers: attaches to the log that the main thread has open, and writes its lines as fast
 * as the log takes them. Tells the main thread when it is ready, how far it is, and how it ended.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import { type ErrorData, toErrorData } from '../base/errors.ts'
import { attach, type Producer } from '../index.ts'
import { AccessLog } from './access-log.ts'

export interface DemoStart {
  readonly address: string
  readonly topic: string
  readonly thread: number
  readonly recordCount: number
}

export type FromDemoThread =
  | { readonly type: 'ready' }
  /** Appended so far, not yet acknowledged. */
  | { readonly type: 'progress'; readonly recordCount: number; readonly bytes: number }
  /** Everything is acknowledged. */
  | { readonly type: 'done'; readonly recordCount: number; readonly bytes: number }
  | { readonly type: 'failed'; readonly error: ErrorData }

const RECORDS_PER_REPORT = 50_000

assert(parentPort !== null, 'demo-thread runs as a worker')
const port = parentPort
const start = workerData as DemoStart

try {
  await run()
} catch (error) {
  send({ type: 'failed', error: toErrorData(error) })
}
port.close()

async function run(): Promise<void> {
  const log = await attach(start.address)
  const producer = log.producer()
  const lines = new AccessLog()
  send({ type: 'ready' })
  await new Promise((resolve) => port.once('message', resolve)) // All threads begin together.
  await produce(producer, lines)
  await log.close()
}

async function produce(producer: Producer, lines: AccessLog): Promise<void> {
  const { topic, thread, recordCount } = start
  let bytes = 0
  for (let number = 0; number < recordCount; number++) {
    const line = lines.line(thread, number)
    while (!producer.append(topic, line)) await producer.drain()
    bytes += line.length
    if (number % RECORDS_PER_REPORT === 0) send({ type: 'progress', recordCount: number, bytes })
  }
  await producer.flush()
  send({ type: 'done', recordCount, bytes })
}

function send(message: FromDemoThread): void {
  port.postMessage(message)
}
