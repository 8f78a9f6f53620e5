/**
 * open and attach: how a thread gets a LocalTransport.
 *
 * openLocal starts the dispatcher's thread, which takes the directory's lock, starts the shards and opens the partitions.
 * attachLocal finds the dispatcher of a log that another thread of the process has open, by the log's address. Either
 * way the thread brings an arena and a doorbell and gets a link to each shard.
 *
 * The worker handle is kept referenced only while something of this thread waits for an answer: an idle open log does not
 * keep the process alive, an unanswered send() does.
 */
import { BroadcastChannel, Worker } from 'node:worker_threads'
import { realEnv } from '../base/env/real-env.ts'
import { fromErrorData, VltavaError } from '../base/errors.ts'
import { randomUuid } from '../base/uuid.ts'
import type { DispatcherOptions } from '../workers/dispatcher.ts'
import type { FromDispatcher, ToDispatcher } from '../workers/messages.ts'
import { attachTransport } from './attach.ts'
import { Control } from './control-link.ts'
import type { LocalTransport } from './local-transport.ts'

export interface OpenLocalOptions extends DispatcherOptions {
  /** Bytes of the thread's arena. */
  readonly memoryBytes: number
}

export interface OpenedLocal {
  readonly transport: LocalTransport
  /** What another thread of this process passes to attachLocal. */
  readonly address: string
}

/** Notices that users may listen to. */
export type NoticeListener = (message: FromDispatcher) => void

const ADDRESS_PREFIX = 'vltava:'
const ATTACH_TIMEOUT_MS = 5000

/** Rejects with VltavaError DIRECTORY_*. */
export async function openLocal(options: OpenLocalOptions, onNotice: NoticeListener): Promise<OpenedLocal> {
  const address = `${ADDRESS_PREFIX}${randomUuid(realEnv.random)}`
  const { directory, shards, retentionCheckMs, checkpointMs } = options
  const worker = new Worker(new URL('../workers/dispatcher-thread.js', import.meta.url), {
    name: 'vltava-dispatcher',
    workerData: { options: { directory, shards, retentionCheckMs, checkpointMs }, address },
    execArgv: [],
  })
  let onClosed: (error: VltavaError | undefined) => void = () => undefined
  const closed = new Promise<VltavaError | undefined>((resolve) => {
    onClosed = resolve
  })
  const control = new Control(
    randomUuid(realEnv.random),
    (message: ToDispatcher) => worker.postMessage(message),
    (isHeld) => (isHeld ? worker.ref() : worker.unref()),
    async () => {
      worker.ref()
      worker.postMessage({ type: 'close', clientId: control.clientId, requestId: 0 } satisfies ToDispatcher)
      const error = await closed
      await worker.terminate()
      if (error !== undefined) throw error
    },
  )
  const transport = await attachTransport(realEnv, control, options.memoryBytes, (receive) => {
    worker.on('message', (message: FromDispatcher) => {
      if (message.type === 'closed') onClosed(message.error === undefined ? undefined : fromErrorData(message.error))
      receive(message)
      onNotice(message)
    })
    worker.on('error', (error) => {
      receive({
        type: 'failed',
        error: { code: 'UNKNOWN_SERVER_ERROR', message: `the dispatcher threw: ${error.stack}` },
      })
      onClosed(new VltavaError('UNKNOWN_SERVER_ERROR', `the dispatcher threw: ${error.message}`, { cause: error }))
    })
    worker.on('exit', () => {
      receive({ type: 'closed' }) // Told already, unless the thread ended in a way that nobody planned.
      onClosed(undefined)
    })
  })
  worker.unref()
  return { transport, address }
}

/** Attaches this thread to a log that is open in the process. Rejects with LOG_CLOSED if nobody answers the address. */
export async function attachLocal(
  address: string,
  memoryBytes: number,
  onNotice: NoticeListener,
): Promise<OpenedLocal> {
  if (!address.startsWith(ADDRESS_PREFIX)) {
    throw new VltavaError('INVALID_ARGUMENT', `'${address}' is not the address of an open log; pass log.address`)
  }
  const channel = new BroadcastChannel(address)
  const control = new Control(
    randomUuid(realEnv.random),
    (message: ToDispatcher) => channel.postMessage(message),
    (isHeld) => (isHeld ? channel.ref() : channel.unref()),
    () => {
      channel.postMessage({ type: 'detach', clientId: control.clientId } satisfies ToDispatcher)
      channel.close()
      return Promise.resolve()
    },
  )
  const timer = realEnv.timers.after(ATTACH_TIMEOUT_MS, () => deliver(noAnswer(address)))
  let deliver: (message: FromDispatcher) => void = () => undefined
  try {
    const transport = await attachTransport(realEnv, control, memoryBytes, (receive) => {
      deliver = receive
      channel.onmessage = (event) => {
        // Everything on this channel is ours: what clients ask, which `receive` passes over, and the answers.
        const message = (event as { data: FromDispatcher }).data
        receive(message)
        if (message.type === 'closed') channel.close()
        onNotice(message)
      }
    })
    channel.unref()
    return { transport, address }
  } catch (error) {
    channel.close()
    throw error
  } finally {
    timer.cancel()
  }
}

function noAnswer(address: string): FromDispatcher {
  const message = `no open log of this process answers ${address} within ${ATTACH_TIMEOUT_MS} ms`
  return { type: 'failed', error: { code: 'LOG_CLOSED', message } }
}
