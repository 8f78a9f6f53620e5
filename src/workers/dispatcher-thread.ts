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
 *
 * The group coordinator's thread is a child of this one and a client of the log over its own port; other clients get a
 * port to it from here, over parentPort or their lifeline, and talk to it past this thread.
 */
import {
  BroadcastChannel,
  MessageChannel,
  MessagePort,
  parentPort,
  threadId,
  Worker,
  workerData,
} from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import { realEnv } from '../base/env/real-env.ts'
import { toErrorData, VltavaError } from '../base/errors.ts'
import { CoordinatorKeeper, type CoordinatorThread } from './coordinator-keeper.ts'
import { Dispatcher, type DispatcherOptions } from './dispatcher.ts'
import { type FromDispatcher, type Lifeline, LOADED, logAddress, type ToDispatcher } from './messages.ts'
import type { ThreadHandle, ThreadSpawner } from './supervised-shard.ts'

export interface DispatcherStart {
  readonly options: DispatcherOptions
  readonly logId: string
  /** The group coordinator's thread: its file, as a URL, and what it is started with besides `isFirst`. */
  readonly coordinator: { readonly file: string; readonly settings: Readonly<Record<string, string>> }
}

assert(parentPort !== null, 'dispatcher-thread runs as a worker')
const port = parentPort
const { options, logId, coordinator } = workerData as DispatcherStart
const address = logAddress(threadId, logId)
const channel = new BroadcastChannel(address)

/** A thread that has not loaded its code by then is ended all the same. */
const LOAD_MS = 5000
/**
 * Shards and flushers make little garbage and keep none of it. V8 would let the young generation of each grow to 48 MB
 * all the same, bit by bit over the first minutes.
 */
const YOUNG_GENERATION_MB = 6
/** The coordinator's garbage is its requests; what it keeps grows with the groups. */
const COORDINATOR_YOUNG_GENERATION_MB = 16

/**
 * A thread is not ended while it loads its modules: Node reads them asynchronously, and leaves the files open that it
 * was just opening. A shard that cannot live would use up the descriptors of the process.
 */
function spawn(file: URL, data: unknown, name: string, youngGenerationMb = YOUNG_GENERATION_MB): SpawnedThread {
  const worker = new Worker(file, {
    workerData: data,
    name,
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
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
    worker,
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

interface SpawnedThread extends ThreadHandle {
  readonly worker: Worker
}

const shardFile = new URL('./shard-thread.js', import.meta.url)
const flusherFile = new URL('./flusher-thread.js', import.meta.url)

const spawner: ThreadSpawner = {
  shard: (start) => spawn(shardFile, start, `vltava-shard-${start.shardIndex}`),
  flusher: (start) => spawn(flusherFile, start, 'vltava-flusher'),
}

/** The coordinator's thread while there is one: a client of the log that hears by its own port. */
let coordinatorThread: SpawnedThread | undefined

function startCoordinator(dispatcher: Dispatcher, isFirst: boolean): CoordinatorThread {
  const file = new URL(coordinator.file)
  const data = { settings: coordinator.settings, isFirst }
  const thread = spawn(file, data, 'vltava-coordinator', COORDINATOR_YOUNG_GENERATION_MB)
  coordinatorThread = thread
  let clientId: string | undefined
  let onPong: () => void = () => undefined
  thread.onMessage((message) => {
    const fromThread = message as ToDispatcher | { readonly type: 'pong' }
    if (fromThread.type === 'pong') onPong()
    else {
      clientId = fromThread.clientId
      dispatcher.receive(fromThread)
    }
  })
  thread.onEnd(() => {
    if (coordinatorThread === thread) coordinatorThread = undefined
    if (clientId !== undefined) dispatcher.receive({ type: 'detach', clientId })
  })
  return {
    connect(wantedBy) {
      const { port1, port2 } = new MessageChannel()
      thread.worker.postMessage({ type: 'client', port: port1 }, [port1])
      deliverPort(wantedBy, port2)
    },
    ping: () => thread.post({ type: 'ping' }),
    onPong: (listener) => {
      onPong = listener
    },
    onEnd: (listener) => thread.onEnd(listener),
    terminate: () => thread.terminate(),
  }
}

/** Of attached threads, by client. Ports to the coordinator that came before their client's lifeline wait for it. */
const lifelines = new Map<string, MessagePort>()
const undelivered = new Map<string, MessagePort>()
let openerId = ''

function deliverPort(clientId: string, coordinatorPort: MessagePort): void {
  const way = clientId === openerId ? port : lifelines.get(clientId)
  const message = { type: 'coordinator', clientId, port: coordinatorPort } as const satisfies FromDispatcher
  if (way !== undefined) way.postMessage(message, [coordinatorPort])
  else if (clients.get(clientId) === 'attached') undelivered.set(clientId, coordinatorPort)
  else coordinatorPort.close()
}

function send(message: FromDispatcher): void {
  port.postMessage(message)
  channel.postMessage(message)
  coordinatorThread?.post(message)
  if (message.type !== 'closed') return
  timer?.cancel()
  channel.close()
  port.close()
}

let timer: { cancel(): void } | undefined

/** Of each attached client, until its lifeline closes. 'ended': the lifeline closed before the client was heard of. */
const clients = new Map<string, 'attached' | 'left' | 'ended'>()

/** Takes a message of the broadcast channel, on which this thread's answers come back to nobody. */
function hear(dispatcher: Dispatcher, keeper: CoordinatorKeeper, message: ToDispatcher | FromDispatcher): void {
  if (message.type === 'groups' && clients.get(message.clientId) === 'attached') keeper.connect(message.clientId)
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

function holdLifeline(dispatcher: Dispatcher, keeper: CoordinatorKeeper, { clientId, lifeline }: Lifeline): void {
  lifelines.set(clientId, lifeline)
  // Its only message says that the client leaves, in order with the closing, which the broadcast channel is not.
  lifeline.on('message', () => leave(dispatcher, clientId))
  lifeline.on('close', () => {
    lifelines.delete(clientId)
    undelivered.delete(clientId)
    keeper.forget(clientId)
    const state = clients.get(clientId)
    if (state === undefined) clients.set(clientId, 'ended')
    else clients.delete(clientId)
    if (state === 'attached') dispatcher.receive({ type: 'detach', clientId, isLost: true })
  })
  lifeline.unref()
  const early = undelivered.get(clientId)
  undelivered.delete(clientId)
  if (early !== undefined) deliverPort(clientId, early)
}

/** The supervisor's clock. The port's listener keeps this thread alive, the timer need not. */
function tickForever(dispatcher: Dispatcher, keeper: CoordinatorKeeper): void {
  dispatcher.tick()
  keeper.tick()
  timer = realEnv.timers.after(Dispatcher.tickMs, () => tickForever(dispatcher, keeper))
}

function receiveFromOpener(dispatcher: Dispatcher, keeper: CoordinatorKeeper, message: ToDispatcher): void {
  if (message.type === 'attach') openerId = message.clientId
  if (message.type === 'groups') keeper.connect(message.clientId)
  // First: it appends, and the shards are about to close.
  if (message.type === 'close') void keeper.stop()
  dispatcher.receive(message)
}

try {
  const dispatcher = new Dispatcher(realEnv, options, spawner, send)
  const keeper = new CoordinatorKeeper(
    realEnv,
    (isFirst) => startCoordinator(dispatcher, isFirst),
    (reason) => send({ type: 'coordinatorRestarted', reason }),
  )
  tickForever(dispatcher, keeper)
  port.on('message', (message: ToDispatcher) => receiveFromOpener(dispatcher, keeper, message))
  channel.onmessage = (event) => hear(dispatcher, keeper, (event as { data: ToDispatcher | FromDispatcher }).data)
  process.on('workerMessage', (message: unknown) => {
    if (!isLifeline(message)) return // The program may send anything to any thread.
    if (message.address === address) holdLifeline(dispatcher, keeper, message)
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
