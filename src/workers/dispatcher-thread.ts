/**
 * Thread entry of the dispatcher: starts shard and flusher threads, passes messages, keeps the supervisor's timer.
 *
 * The thread that opened the log talks over parentPort; threads that attached later talk over a BroadcastChannel with
 * the log's address, because a plain string is all that they need to be given. Answers go to both; each client takes
 * what carries its id.
 *
 * Lifelines: a thread that attaches sends one end of a MessageChannel and keeps the other. Node closes a thread's ports
 * when it ends, however it ends (terminate() and a full heap run no handler of its own), and tells the other end. So
 * the dispatcher hears of a thread that is gone, and an attached thread of a dispatcher that is gone; a thread that is
 * only busy keeps its end. The port needs a way that can transfer one, and that leads through the main thread: while
 * that is blocked, lifelines arrive late, attaching does not.
 */
import { BroadcastChannel, MessagePort, parentPort, threadId, Worker, workerData } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import { realEnv } from '../base/env/real-env.ts'
import { toErrorData, VltavaError } from '../base/errors.ts'
import { Dispatcher, type DispatcherOptions } from './dispatcher.ts'
import { type FromDispatcher, type Lifeline, LOADED, logAddress, type ToDispatcher } from './messages.ts'
import type { ThreadHandle, ThreadSpawner } from './supervised-shard.ts'

export interface DispatcherStart {
  readonly options: DispatcherOptions
  readonly logId: string
}

assert(parentPort !== null, 'dispatcher-thread runs as a worker')
const port = parentPort
const { options, logId } = workerData as DispatcherStart
const address = logAddress(threadId, logId)
const channel = new BroadcastChannel(address)

/** A thread that has not loaded its code by then is ended all the same. */
const LOAD_MS = 5000
/**
 * Shards and flushers make little garbage and keep none of it. V8 would let the young generation of each grow to 48 MB
 * all the same, bit by bit over the first minutes.
 */
const YOUNG_GENERATION_MB = 6

/**
 * A thread is not ended while it loads its modules: Node reads them asynchronously, and leaves the files open that it
 * was just opening. A shard that cannot live would use up the descriptors of the process.
 */
function spawn(file: string, data: unknown, name: string): ThreadHandle {
  const worker = new Worker(new URL(file, import.meta.url), {
    workerData: data,
    name,
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  })
  const loaded = new Promise<void>((resolve) => {
    const timer = realEnv.timers.after(LOAD_MS, resolve)
    const onLoaded = (): void => {
      timer.cancel()
      resolve()
    }
    worker.once('message', onLoaded)
    worker.once('exit', onLoaded)
  })
  let reason = ''
  worker.on('error', (error: Error) => {
    reason = `threw ${error.stack ?? error.message}`
  })
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (listener) => void worker.on('message', (message) => message === LOADED || listener(message)),
    onEnd: (listener) =>
      void worker.once('exit', (code) => listener(reason === '' ? `ended with code ${code}` : reason)),
    terminate: async () => {
      await loaded
      await worker.terminate()
    },
  }
}

const spawner: ThreadSpawner = {
  shard: (start) => spawn('./shard-thread.js', start, `vltava-shard-${start.shardIndex}`),
  flusher: (start) => spawn('./flusher-thread.js', start, 'vltava-flusher'),
}

function send(message: FromDispatcher): void {
  port.postMessage(message)
  channel.postMessage(message)
  if (message.type !== 'closed') return
  timer?.cancel()
  channel.close()
  port.close()
}

let timer: { cancel(): void } | undefined

/** Of each attached client, until its lifeline closes. 'ended': the lifeline closed before the client was heard of. */
const clients = new Map<string, 'attached' | 'left' | 'ended'>()

/** Takes a message of the broadcast channel, on which this thread's answers come back to nobody. */
function hear(dispatcher: Dispatcher, message: ToDispatcher | FromDispatcher): void {
  if (message.type === 'attach') {
    if (clients.get(message.clientId) === 'ended') {
      clients.delete(message.clientId)
      return
    }
    clients.set(message.clientId, 'attached')
  }
  if (message.type === 'attach' || message.type === 'request') dispatcher.receive(message)
  if (message.type === 'detach') leave(dispatcher, message.clientId)
}

function isLifeline(message: unknown): message is Lifeline {
  return (
    typeof message === 'object' && message !== null && 'lifeline' in message && message.lifeline instanceof MessagePort
  )
}

function leave(dispatcher: Dispatcher, clientId: string): void {
  if (clients.get(clientId) !== 'attached') return
  clients.set(clientId, 'left')
  dispatcher.receive({ type: 'detach', clientId })
}

function holdLifeline(dispatcher: Dispatcher, { clientId, lifeline }: Lifeline): void {
  // Its only message says that the client leaves, in order with the closing, which the broadcast channel is not.
  lifeline.on('message', () => leave(dispatcher, clientId))
  lifeline.on('close', () => {
    const state = clients.get(clientId)
    if (state === undefined) clients.set(clientId, 'ended')
    else clients.delete(clientId)
    if (state === 'attached') dispatcher.receive({ type: 'detach', clientId, isLost: true })
  })
  lifeline.unref()
}

/** The supervisor's clock. The port's listener keeps this thread alive, the timer need not. */
function tickForever(dispatcher: Dispatcher): void {
  dispatcher.tick()
  timer = realEnv.timers.after(Dispatcher.tickMs, () => tickForever(dispatcher))
}

try {
  const dispatcher = new Dispatcher(realEnv, options, spawner, send)
  tickForever(dispatcher)
  port.on('message', (message: ToDispatcher) => dispatcher.receive(message))
  channel.onmessage = (event) => hear(dispatcher, (event as { data: ToDispatcher | FromDispatcher }).data)
  process.on('workerMessage', (message: unknown) => {
    if (!isLifeline(message)) return // The program may send anything to any thread.
    if (message.address === address) holdLifeline(dispatcher, message)
    else message.lifeline.close()
  })
  await dispatcher.open()
} catch (error) {
  if (!(error instanceof VltavaError)) throw error
  timer?.cancel()
  channel.close()
  port.postMessage({ type: 'failed', error: toErrorData(error) } satisfies FromDispatcher)
  port.close()
}
