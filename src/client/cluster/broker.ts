/**
 * Broker: one node of the cluster and the connections to it, made when they are needed.
 *
 * A broker works on one request of a connection at a time, so what may wait at the broker has a connection of its own:
 * a fetch that waits for records, a group's join that waits for other members. Failed attempts to connect are spaced by
 * a growing backoff, however many ask.
 */
import { VltavaError } from '../../base/errors.ts'
import { backoffMs, sleep } from './backoff.ts'
import { Connection } from './connection.ts'
import type { Address, ClusterEnv, ClusterSettings } from './settings.ts'

/** 'control': metadata, lookups, administration, groups. 'fetch', 'catch-up': see broker-fetcher.ts. */
export type Purpose = 'control' | 'produce' | 'fetch' | 'catch-up'

export class Broker {
  /** Below 0: an address of the bootstrap list, whose node id is not known. */
  readonly nodeId: number
  readonly address: Address
  readonly #env: ClusterEnv
  readonly #settings: ClusterSettings
  readonly #connections = new Map<Purpose, Connection>()
  readonly #opening = new Map<Purpose, Promise<Connection>>()
  /** Of requests that wait for others at the broker: idle ones, and all. */
  readonly #spare: Connection[] = []
  readonly #blocking = new Set<Connection>()
  #failureCount = 0
  #notBeforeMs = 0
  #isClosed = false
  #isDown = false

  constructor(env: ClusterEnv, settings: ClusterSettings, nodeId: number, address: Address) {
    this.#env = env
    this.#settings = settings
    this.nodeId = nodeId
    this.address = address
  }

  /** Could not be reached when it was last tried. */
  get isDown(): boolean {
    return this.#isDown
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  hasConnection(): boolean {
    for (const connection of this.#connections.values()) if (!connection.isClosed) return true
    return false
  }

  /** The open connection for this, made if there is none. Rejects with VltavaError NETWORK_EXCEPTION and the like. */
  connection(purpose: Purpose): Promise<Connection> {
    // The same promise for all who ask while it is made: requests go out in the order in which they asked.
    const opening = this.#opening.get(purpose)
    if (opening !== undefined) return opening
    const present = this.#connections.get(purpose)
    if (present !== undefined && !present.isClosed) return present.ready
    const made = this.#open(purpose)
    this.#opening.set(purpose, made)
    return made
  }

  async #open(purpose: Purpose): Promise<Connection> {
    try {
      await this.#gate()
      const connection = this.#dial()
      this.#connections.set(purpose, connection)
      return await connection.ready
    } finally {
      this.#opening.delete(purpose)
    }
  }

  /** Runs `use` with a connection that nobody else uses meanwhile. */
  async alone<T>(use: (connection: Connection) => Promise<T>): Promise<T> {
    let connection = this.#spare.pop()
    while (connection?.isClosed === true) connection = this.#spare.pop()
    if (connection === undefined) {
      await this.#gate()
      connection = this.#dial()
      this.#blocking.add(connection)
    }
    const taken = await connection.ready
    try {
      return await use(taken)
    } finally {
      if (!taken.isClosed) this.#spare.push(taken)
    }
  }

  async #gate(): Promise<void> {
    this.#assertOpen()
    const waitMs = this.#notBeforeMs - this.#env.clock.monotonicMs()
    if (waitMs <= 0) return
    await sleep(this.#env, waitMs)
    this.#assertOpen()
  }

  #dial(): Connection {
    const connection = new Connection(this.#env, this.#settings, this.address, (error) =>
      this.#closed(connection, error),
    )
    void connection.ready.then(
      () => this.#reached(),
      () => undefined, // Told to whoever waits for it, and to #closed.
    )
    return connection
  }

  #reached(): void {
    this.#failureCount = 0
    this.#notBeforeMs = 0
    if (!this.#isDown) return
    this.#isDown = false
    this.#settings.onNotice({ type: 'broker', ...this.address })
  }

  /** Without an error it was not needed any more. */
  #closed(connection: Connection, error: VltavaError | undefined): void {
    this.#blocking.delete(connection)
    if (error === undefined) return
    const delayMs = backoffMs(this.#settings.reconnectBackoff, this.#failureCount, this.#env)
    this.#notBeforeMs = this.#env.clock.monotonicMs() + delayMs
    this.#failureCount += 1
    if (this.#isDown || this.#isClosed) return
    this.#isDown = true
    this.#settings.onNotice({ type: 'broker', ...this.address, error })
  }

  close(error: VltavaError): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const connection of [...this.#connections.values(), ...this.#blocking]) connection.close(error, true)
    this.#connections.clear()
    this.#blocking.clear()
  }

  #assertOpen(): void {
    if (!this.#isClosed) return
    const { host, port } = this.address
    throw new VltavaError('NETWORK_EXCEPTION', `${host}:${port} is not a broker of the cluster any more`)
  }
}
