/**
 * SimProcess: one process that has a log open: dispatcher, shards, flushers and client threads, all in this thread, on
 * the disk of the world. It ends by close(), or by kill(), after which nothing of it happens any more; the disk stays.
 *
 * The pieces are the engine's own; what is replaced is what real threads and Node's event loop would do.
 */
import type { Env } from '../../src/base/env/env.ts'
import type { SimEnv } from '../../src/base/env/sim-env.ts'
import { fromErrorData, toErrorData, VltavaError } from '../../src/base/errors.ts'
import { Log } from '../../src/client/log.ts'
import { attachTransport } from '../../src/engine/attach.ts'
import { Control } from '../../src/engine/control-link.ts'
import { LocalGroupLink } from '../../src/engine/coordinator/local-group-link.ts'
import type { LocalTransport } from '../../src/engine/local-transport.ts'
import { Dispatcher, type DispatcherOptions } from '../../src/workers/dispatcher.ts'
import type { FromDispatcher, ToDispatcher } from '../../src/workers/messages.ts'
import { OwnedFs } from './owned-fs.ts'
import { Channel, type Scheduler, type Source } from './scheduler.ts'
import { SimDoorbell } from './sim-doorbell.ts'
import { SimSpawner, type SimThread } from './sim-threads.ts'

export interface SimClient {
  readonly label: string
  readonly log: Log
  readonly transport: LocalTransport
}

interface ClientThread {
  readonly incoming: Channel
  receive: (message: FromDispatcher) => void
}

/** Called at each failpoint of the process with the thread that reached it; may throw. */
export type FailpointListener = (thread: string, name: string) => void

export class SimProcess {
  /** Threads of all shard incarnations that have not ended. */
  readonly threads = new Set<SimThread>()
  /** Called when a shard is started again. */
  onRestart: () => void = () => undefined
  readonly #env: SimEnv
  readonly #scheduler: Scheduler
  readonly #options: DispatcherOptions
  readonly #memoryBytes: number
  readonly #onFailpoint: FailpointListener
  readonly #clients = new Map<string, ClientThread>()
  readonly #toDispatcher: Channel
  readonly #dispatcherFs: OwnedFs
  readonly #clientFs: OwnedFs
  readonly #sources: Source[] = []
  readonly #labels = new Set<string>()
  #dispatcher: Dispatcher | undefined
  #nextTickMs = Infinity

  constructor(
    env: SimEnv,
    scheduler: Scheduler,
    options: DispatcherOptions,
    memoryBytes: number,
    onFailpoint: FailpointListener,
  ) {
    this.#env = env
    this.#scheduler = scheduler
    this.#options = options
    this.#memoryBytes = memoryBytes
    this.#onFailpoint = onFailpoint
    this.#toDispatcher = new Channel(scheduler, 'to dispatcher')
    this.#dispatcherFs = new OwnedFs(env.fs)
    this.#clientFs = new OwnedFs(env.fs)
    this.#add(this.#toDispatcher)
  }

  #add(source: Source): void {
    this.#sources.push(source)
    this.#scheduler.add(source)
  }

  #envFor(label: string, fs: OwnedFs): Env {
    const { clock, timers, random } = this.#env
    return { clock, timers, random, fs, failpoint: (name) => this.#onFailpoint(label, name) }
  }

  /** Opens the log. Rejects with VltavaError as open() of the package does; the process is then of no more use. */
  open(): Promise<SimClient> {
    let onClosed: (error: VltavaError | undefined) => void = () => undefined
    const closed = new Promise<VltavaError | undefined>((resolve) => {
      onClosed = resolve
    })
    const listen = (message: FromDispatcher): void => {
      if (message.type === 'closed') onClosed(message.error === undefined ? undefined : fromErrorData(message.error))
    }
    const close = async (control: Control): Promise<void> => {
      this.#post({ type: 'close', clientId: control.clientId, requestId: 0 })
      const error = await closed
      if (error !== undefined) throw error
    }
    this.#toDispatcher.post(() => this.#startDispatcher())
    return this.#attach('client 0', listen, close)
  }

  /** One more client thread, as by attach() of the package. */
  attach(label: string): Promise<SimClient> {
    return this.#attach(
      label,
      () => undefined,
      (control) => {
        this.#post({ type: 'detach', clientId: control.clientId })
        this.#clients.delete(control.clientId)
        return Promise.resolve()
      },
    )
  }

  async #attach(
    label: string,
    onMessage: (message: FromDispatcher) => void,
    close: (control: Control) => Promise<void>,
  ): Promise<SimClient> {
    const incoming = new Channel(this.#scheduler, `to ${label}`)
    this.#add(incoming)
    const client: ClientThread = { incoming, receive: () => undefined }
    const control: Control = new Control(
      label,
      (message) => this.#post(message),
      () => undefined,
      () => close(control),
    )
    const env = this.#envFor(label, this.#clientFs)
    this.#clients.set(label, client)
    const transport = await attachTransport(
      env,
      control,
      this.#memoryBytes,
      (receive) => {
        client.receive = (message) => {
          onMessage(message)
          receive(message)
        }
      },
      (doorbell) => {
        const bell = new SimDoorbell(doorbell, `${label} wakes`, this.#scheduler)
        this.#add(bell)
        return bell
      },
    )
    const groups = new LocalGroupLink(env, control, () => undefined)
    return { label, transport, log: new Log(transport, env, 'vltava:simulated', groups) }
  }

  #post(message: ToDispatcher): void {
    const copy = structuredClone(message)
    this.#toDispatcher.post(() => this.#dispatcher?.receive(copy))
  }

  #send(message: FromDispatcher): void {
    const copy = structuredClone(message)
    for (const client of this.#clients.values()) client.incoming.post(() => client.receive(copy))
    if (message.type === 'closed' || message.type === 'failed') this.#nextTickMs = Infinity
  }

  /** As dispatcher-thread.ts does it. */
  #startDispatcher(): void {
    const env = this.#envFor('dispatcher', this.#dispatcherFs)
    const spawner = new SimSpawner(
      this.#scheduler,
      this.#env.fs,
      (label, fs) => this.#envFor(label, fs),
      (thread) => {
        this.#started(thread)
        thread.onEnd(() => this.threads.delete(thread))
      },
    )
    const failed = (error: unknown): void => {
      if (!(error instanceof VltavaError)) throw error
      this.#send({ type: 'failed', error: toErrorData(error) })
    }
    try {
      const dispatcher = new Dispatcher(env, this.#options, spawner, (message) => this.#send(message))
      this.#dispatcher = dispatcher
      this.#nextTickMs = this.#scheduler.clock.monotonicMs() + Dispatcher.tickMs
      this.#add(this.#ticks(dispatcher))
      void dispatcher.open().then(undefined, failed)
    } catch (error) {
      failed(error)
    }
  }

  #started(thread: SimThread): void {
    this.threads.add(thread)
    if (this.#labels.has(thread.label)) this.onRestart()
    this.#labels.add(thread.label)
  }

  #ticks(dispatcher: Dispatcher): Source {
    return {
      label: 'dispatcher tick',
      weight: this.#scheduler.drawWeight(),
      isReady: (nowMs) => nowMs >= this.#nextTickMs,
      dueMs: () => this.#nextTickMs,
      run: () => {
        this.#nextTickMs = this.#scheduler.clock.monotonicMs() + Dispatcher.tickMs
        dispatcher.tick()
      },
    }
  }

  /** Files that the process has open, apart from the lock. */
  get openPaths(): string[] {
    const threads = [...this.threads].flatMap(({ fs }) => fs.openPaths)
    return [...threads, ...this.#dispatcherFs.openPaths, ...this.#clientFs.openPaths]
  }

  /** Nothing of the process happens from now on. What becomes of the disk is the caller's choice. */
  kill(): void {
    for (const source of this.#sources) this.#scheduler.remove(source)
    for (const thread of this.threads) thread.vanish()
    this.threads.clear()
    this.#env.clock.clearTimers()
  }
}
