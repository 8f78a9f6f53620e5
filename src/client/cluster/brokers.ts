/**
 * Brokers: the nodes of the cluster that are known, and the bootstrap list that they were learned from.
 *
 * When none of the known ones answers, the bootstrap list is asked again: the cluster may have moved as a whole while
 * this program slept (KIP-899).
 */
import { VltavaError } from '../../base/errors.ts'
import { randomBelow } from '../../base/random.ts'
import type { Api } from '../../protocol/wire/api.ts'
import type { Decoded, Encodable, Fields } from '../../protocol/wire/schema.ts'
import { Broker, type Purpose } from './broker.ts'
import type { Address, ClusterEnv, ClusterSettings } from './settings.ts'

export interface BrokerAddress extends Address {
  readonly nodeId: number
}

export class Brokers {
  readonly #env: ClusterEnv
  readonly #settings: ClusterSettings
  readonly #seeds: Broker[]
  readonly #known = new Map<number, Broker>()
  #isClosed = false

  constructor(env: ClusterEnv, settings: ClusterSettings) {
    this.#env = env
    this.#settings = settings
    this.#seeds = settings.bootstrap.map((address, i) => new Broker(env, settings, -1 - i, address))
  }

  /** Undefined if the node is not (or not any more) in the cluster's metadata. */
  get(nodeId: number): Broker | undefined {
    return this.#known.get(nodeId)
  }

  all(): Broker[] {
    return [...this.#known.values()]
  }

  /** The cluster as metadata describes it; nothing is forgotten for an empty list, which no cluster has. */
  update(addresses: readonly BrokerAddress[]): void {
    if (addresses.length === 0) return
    const gone = new Set(this.#known.keys())
    for (const { nodeId, host, port } of addresses) {
      const known = this.#known.get(nodeId)
      gone.delete(nodeId)
      if (known !== undefined && known.address.host === host && known.address.port === port) continue
      known?.close(leftCluster(known))
      this.#known.set(nodeId, new Broker(this.#env, this.#settings, nodeId, { host, port }))
    }
    for (const nodeId of gone) this.#forget(nodeId)
  }

  #forget(nodeId: number): void {
    const broker = this.#known.get(nodeId)!
    this.#known.delete(nodeId)
    broker.close(leftCluster(broker))
  }

  /** The next question goes to the bootstrap list. */
  forgetAll(): void {
    for (const nodeId of [...this.#known.keys()]) this.#forget(nodeId)
  }

  /** Asks a broker on its connection for `purpose`, in the newest version up to `cap`. */
  async ask<Q extends Fields, R extends Fields>(
    broker: Broker,
    api: Api<Q, R>,
    message: Encodable<Decoded<Q>>,
    { purpose = 'control', cap = Infinity }: { purpose?: Purpose; cap?: number } = {},
  ): Promise<Decoded<R>> {
    const connection = await broker.connection(purpose)
    return await connection.request(api, connection.versionOf(api, cap), message)
  }

  /**
   * Asks whoever answers: brokers with a connection first, then the others, then the bootstrap list. Rejects with
   * VltavaError BROKER_UNAVAILABLE if nobody could be reached, or what the last one refused.
   */
  async askAny<Q extends Fields, R extends Fields>(
    api: Api<Q, R>,
    message: Encodable<Decoded<Q>>,
    cap = Number.POSITIVE_INFINITY,
  ): Promise<Decoded<R>> {
    let last: VltavaError | undefined
    for (const broker of this.#candidates()) {
      if (this.#isClosed) break
      try {
        return await this.ask(broker, api, message, { cap })
      } catch (error) {
        if (!(error instanceof VltavaError) || error.code === 'INVALID_REQUEST') throw error
        last = error
      }
    }
    const names = this.#candidates().map(({ address: { host, port } }) => `${host}:${port}`)
    const text = `no broker answers (${[...new Set(names)].join(', ')})`
    if (last?.code === 'UNSUPPORTED_VERSION') throw last
    throw new VltavaError('BROKER_UNAVAILABLE', last === undefined ? text : `${text}; last: ${last.message}`)
  }

  #candidates(): Broker[] {
    const known = this.#shuffled([...this.#known.values()])
    const rank = (broker: Broker): number => (broker.isDown ? 2 : broker.hasConnection() ? 0 : 1)
    return [...known.sort((one, other) => rank(one) - rank(other)), ...this.#shuffled([...this.#seeds])]
  }

  #shuffled(brokers: Broker[]): Broker[] {
    for (let i = brokers.length - 1; i > 0; i--) {
      const j = randomBelow(this.#env.random, i + 1)
      const other = brokers[j]!
      brokers[j] = brokers[i]!
      brokers[i] = other
    }
    return brokers
  }

  close(error: VltavaError): void {
    this.#isClosed = true
    for (const broker of [...this.#known.values(), ...this.#seeds]) broker.close(error)
  }
}

function leftCluster({ address: { host, port } }: Broker): VltavaError {
  return new VltavaError('NETWORK_EXCEPTION', `${host}:${port} left the cluster`)
}
