/**
 * SimCoordinatorThread: the coordinator's thread of a simulated process, and its ports to client threads, each of which
 * is a pair of channels: what one side posts is delivered to the other as an event, or never, if the process is killed.
 */
import type { Env } from '../../src/base/env/env.ts'
import { CoordinatorHost } from '../../src/engine/coordinator/coordinator-host.ts'
import { parseCoordinatorSettings } from '../../src/engine/coordinator/coordinator-settings.ts'
import type { LocalGroupLink } from '../../src/engine/coordinator/local-group-link.ts'
import type { FromCoordinator, GroupPort, ToCoordinator } from '../../src/engine/coordinator/messages.ts'
import { Channel, type Scheduler, type Source } from './scheduler.ts'
import type { SimClient } from './sim-process.ts'

const REWRITE_BYTES_MIN = 4000

/** What it needs of its process. */
export interface CoordinatorPlace {
  readonly scheduler: Scheduler
  readonly settings: Readonly<Record<string, string>>
  add(source: Source): void
  envFor(label: string): Env
  attach(label: string): Promise<SimClient>
}

class SimPort<Out, In> implements GroupPort<Out, In> {
  readonly #incoming: Channel
  #other: SimPort<In, Out> | undefined
  #onMessage: ((message: In) => void) | undefined
  #onClose: () => void = () => undefined
  #early: In[] = []
  #isClosed = false

  constructor(incoming: Channel) {
    this.#incoming = incoming
  }

  static pair<A, B>(place: CoordinatorPlace, label: string): [SimPort<A, B>, SimPort<B, A>] {
    const [toClient, toCoordinator] = [`answers to ${label}`, `requests of ${label}`].map((name) => {
      const channel = new Channel(place.scheduler, name)
      place.add(channel)
      return channel
    })
    const one = new SimPort<A, B>(toClient!)
    const other = new SimPort<B, A>(toCoordinator!)
    one.#other = other
    other.#other = one
    return [one, other]
  }

  post(message: Out): void {
    const copy = structuredClone(message)
    const other = this.#other!
    if (!this.#isClosed) other.#incoming.post(() => other.#deliver(copy))
  }

  #deliver(message: In): void {
    if (this.#isClosed) return
    if (this.#onMessage === undefined) this.#early.push(message)
    else this.#onMessage(message)
  }

  onMessage(listener: (message: In) => void): void {
    this.#onMessage = listener
    for (const message of this.#early.splice(0)) listener(message)
  }

  onClose(listener: () => void): void {
    this.#onClose = listener
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const other = this.#other!
    other.#incoming.post(() => {
      if (other.#isClosed) return
      other.#isClosed = true
      other.#onClose()
    })
  }
}

export class SimCoordinatorThread {
  readonly #place: CoordinatorPlace
  #host: CoordinatorHost | undefined
  #client: SimClient | undefined
  #starting: Promise<void> | undefined
  #incarnation = 0

  constructor(place: CoordinatorPlace) {
    this.#place = place
  }

  /** Gives a client's link a port, and starts the thread if there is none. */
  connect(label: string, link: LocalGroupLink): void {
    const [forClient, forHost] = SimPort.pair<ToCoordinator, FromCoordinator>(this.#place, label)
    this.#starting ??= this.#start()
    void this.#starting.then(() => {
      this.#host!.admit(forHost)
      link.connected(forClient)
    })
  }

  async #start(): Promise<void> {
    this.#incarnation += 1
    const label = `coordinator ${this.#incarnation}`
    const { settings, attach, envFor } = this.#place
    this.#client = await attach(label)
    // So small that logs are rewritten all the time.
    const config = { ...parseCoordinatorSettings(settings), rewriteBytesMin: REWRITE_BYTES_MIN }
    this.#host = new CoordinatorHost(envFor(label), this.#client.transport, config, this.#incarnation === 1)
    void this.#host.start()
  }

  /** The thread ends in the middle of whatever it does. The next request starts another one. */
  async end(): Promise<void> {
    if (this.#host === undefined || this.#starting === undefined) return
    const [host, client] = [this.#host, this.#client!]
    this.#host = undefined
    this.#starting = undefined
    host.close()
    await client.log.close()
  }
}
