/**
 * open and attach: how a thread gets a LocalTransport.
 *
 * openLocal starts the dispatcher's thread, which takes the directory's lock, starts the shards and opens the
 * partitions. attachLocal finds the dispatcher of a log that another thread of the process has open, by the log's
 * address. Either way the thread brings an arena and a doorbell and gets a link to each shard.
 *
 * The worker handle is kept referenced only while something of this thread waits for an answer: an idle open log does
 * not keep the process alive, an unanswered send() does.
 *
 * A thread that attaches holds one end of a lifeline (see workers/dispatcher-thread.ts): each side learns by it that
 * the other's thread has ended.
 */
import { BroadcastChannel, MessageChannel, postMessageToThread, Worker } from 'node:worker_threads'
import { realEnv } from '../base/env/real-env.ts'
import { errnoOf, fromErrorData, VltavaError } from '../base/errors.ts'
import { randomUuid } from '../base/uuid.ts'
import type { DispatcherOptions } from '../workers/dispatcher.ts'
import {
  type FromDispatcher,
  type Lifeline,
  logAddress,
  parseLogAddress,
  type ToDispatcher,
} from '../workers/messages.ts'
import { attachTransport } from './attach.ts'
import { Control } from './control-link.ts'
import { LocalGroupLink } from './coordinator/local-group-link.ts'
import { groupPortOf } from './coordinator/message-port.ts'
import type { FromCoordinator, ToCoordinator } from './coordinator/messages.ts'
import type { LocalTransport } from './local-transport.ts'

export interface OpenLocalOptions extends DispatcherOptions {
  /** Bytes of the thread's arena. */
  readonly memoryBytes: number
  /** Broker settings by Kafka's names: see coordinator/coordinator-settings.ts. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface OpenedLocal {
  readonly transport: LocalTransport
  /** To the group coordinators, which are started when they are first asked. Closes with the transport. */
  readonly groups: LocalGroupLink
  /** What another thread of this process passes to attachLocal. */
  readonly address: string
}

/** Notices that users may listen to. */
export type NoticeListener = (message: FromDispatcher) => void

/** For a thread that attaches while the main thread is blocked; else it hears at once that nobody is there. */
const ATTACH_TIMEOUT_MS = 5000
/** How long a thread waits for its lifeline to go through a main thread that is blocked. */
const LIFELINE_MS = 1000

/** Rejects with VltavaError DIRECTORY_*. */
export async function openLocal(options: OpenLocalOptions, onNotice: NoticeListener): Promise<OpenedLocal> {
  const logId = randomUuid(realEnv.random)
  const { directory, shards, retentionCheckMs, checkpointMs, settings = {} } = options
  const coordinatorFile = new URL('./coordinator/coordinator-thread.js', import.meta.url)
  const worker = new Worker(new URL('../workers/dispatcher-thread.js', import.meta.url), {
    name: 'vltava-dispatcher',
    workerData: {
      options: { directory, shards, retentionCheckMs, checkpointMs, settings },
      logId,
      coordinator: { file: coordinatorFile.href, settings },
    },
    execArgv: [],
  })
  const address = logAddress(worker.threadId, logId)
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
  const groups = new LocalGroupLink(realEnv, control, () => {
    worker.postMessage({ type: 'groups', clientId: control.clientId } satisfies ToDispatcher)
  })
  const attaching = attachTransport(realEnv, control, options.memoryBytes, (receive) => {
    worker.on('message', (message: FromDispatcher) => {
      if (message.type === 'coordinator') groups.connected(groupPortOf<ToCoordinator, FromCoordinator>(message.port))
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
  try {
    const transport = await attaching
    transport.onClose(() => groups.close())
    worker.unref()
    return { transport, groups, address }
  } catch (error) {
    await worker.terminate() // Who hears that it failed finds nothing left of it.
    throw error
  }
}

/** Attaches this thread to a log that is open in the process. Rejects with LOG_CLOSED if nobody answers the address. */
export async function attachLocal(
  address: string,
  memoryBytes: number,
  onNotice: NoticeListener,
): Promise<OpenedLocal> {
  const dispatcherThreadId = parseLogAddress(address)
  if (dispatcherThreadId === undefined) {
    throw new VltavaError('INVALID_ARGUMENT', `'${address}' is not the address of an open log; pass log.address`)
  }
  const channel = new BroadcastChannel(address)
  const lifeline = new MessageChannel()
  const control = new Control(
    randomUuid(realEnv.random),
    (message: ToDispatcher) => channel.postMessage(message),
    (isHeld) => (isHeld ? channel.ref() : channel.unref()),
    () => {
      leave()
      return Promise.resolve()
    },
  )
  const groups = new LocalGroupLink(realEnv, control, () => {
    channel.postMessage({ type: 'groups', clientId: control.clientId } satisfies ToDispatcher)
  })
  let deliver: (message: FromDispatcher) => void = () => undefined
  const onGone = (): void => deliver({ type: 'closed' })
  let isConnected = true
  const disconnect = (): void => {
    isConnected = false
    lifeline.port1.off('close', onGone)
    lifeline.port1.close()
    channel.close()
  }
  const leave = (): void => {
    if (!isConnected) return
    lifeline.port1.postMessage('detach')
    channel.postMessage({ type: 'detach', clientId: control.clientId } satisfies ToDispatcher)
    disconnect()
  }
  const timer = realEnv.timers.after(ATTACH_TIMEOUT_MS, () => deliver(noAnswer(address)))
  try {
    const attaching = attachTransport(realEnv, control, memoryBytes, (receive) => {
      deliver = (message) => {
        receive(message)
        if (message.type === 'closed') disconnect()
        onNotice(message)
      }
      // Everything on this channel is ours: what clients ask, which `receive` passes over, and the answers.
      channel.onmessage = (event) => deliver((event as { data: FromDispatcher }).data)
    })
    lifeline.port1.on('close', onGone)
    // All that comes by it: what has to be transferred.
    lifeline.port1.on('message', (message: FromDispatcher) => {
      if (message.type === 'coordinator') groups.connected(groupPortOf<ToCoordinator, FromCoordinator>(message.port))
    })
    lifeline.port1.unref()
    const message = { address, clientId: control.clientId, lifeline: lifeline.port2 }
    const sending = sendLifeline(dispatcherThreadId, message).then((isAlive) => {
      timer.cancel() // It lives, and answers when its turn comes; or it is gone.
      if (!isAlive) deliver(noAnswer(address))
    })
    const transport = await attaching
    // A thread that ended before its lifeline went through would never be missed.
    await Promise.race([sending, after(LIFELINE_MS)])
    transport.onClose(() => groups.close())
    channel.unref()
    return { transport, groups, address }
  } catch (error) {
    leave()
    throw error
  } finally {
    timer.cancel()
  }
}

function after(delayMs: number): Promise<void> {
  return new Promise((resolve) => realEnv.timers.after(delayMs, resolve))
}

/** False if there is no such thread, or if it is nobody who expects a lifeline. */
async function sendLifeline(threadId: number, message: Lifeline): Promise<boolean> {
  try {
    await postMessageToThread(threadId, message, [message.lifeline])
    return true
  } catch (error) {
    if (errnoOf(error).startsWith('ERR_WORKER_MESSAGING')) return false
    throw error
  }
}

function noAnswer(address: string): FromDispatcher {
  return { type: 'failed', error: { code: 'LOG_CLOSED', message: `no open log of this process answers ${address}` } }
}
