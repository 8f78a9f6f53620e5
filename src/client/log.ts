/**
 * Log: what a program holds when it has a log open, here or in another thread. Makes producers and consumers.
 */
import { VltavaError } from '../base/errors.ts'
import type { GroupLink } from '../protocol/group-link.ts'
import type { Listener, ListenOptions, StartListener } from '../protocol/listener.ts'
import type { Transport } from '../protocol/transport.ts'
import { Admin } from './admin.ts'
import type { ClientEnv } from './client-env.ts'
import { Consumer } from './consumer.ts'
import type { ConsumerOptions } from './consumer-options.ts'
import { Producer } from './producer.ts'
import type { ProducerOptions } from './producer-options.ts'
import type { SerdeChoice, SerdeData } from './serdes.ts'

/** Options whose serdes tell the types. */
type ProducerChoices<K, V> = Omit<ProducerOptions, 'key' | 'value'> & { readonly key?: K; readonly value?: V }
type ConsumerChoices<K, V> = Omit<ConsumerOptions, 'key' | 'value'> & { readonly key?: K; readonly value?: V }

function noListener(): Promise<never> {
  return Promise.reject(new VltavaError('INVALID_ARGUMENT', 'this log cannot be served'))
}

export class Log {
  readonly admin: Admin
  /**
   * Pass it to a worker thread, which calls attach(address) to use the same log with rings of its own. Of a log on a
   * cluster: its brokers, for connect({ brokers: address }).
   */
  readonly address: string
  readonly #transport: Transport
  readonly #groups: GroupLink
  readonly #env: ClientEnv
  readonly #startListener: StartListener
  readonly #listeners = new Set<Listener>()
  readonly #producers = new Set<Producer<never, never>>()
  readonly #consumers = new Set<Consumer<never, never>>()
  #closing: Promise<void> | undefined

  /** Made by open(), attach() and connect(). */
  constructor(
    transport: Transport,
    env: ClientEnv,
    address: string,
    groups: GroupLink,
    startListener: StartListener = noListener,
  ) {
    this.#startListener = startListener
    this.#transport = transport
    this.#groups = groups
    this.#env = env
    this.address = address
    this.admin = new Admin(transport, groups, env)
  }

  get isClosed(): boolean {
    return this.#closing !== undefined || this.#transport.isClosed
  }

  /**
   * A producer of this thread. The serdes chosen in `key` and `value` decide the types of keys and values. Throws
   * VltavaError INVALID_ARGUMENT, LOG_CLOSED.
   */
  producer<K extends SerdeChoice = 'bytes', V extends SerdeChoice = 'bytes'>(
    options?: ProducerChoices<K, V>,
  ): Producer<SerdeData<K>, SerdeData<V>>
  producer<K, V>(options?: ProducerOptions<K, V>): Producer<K, V>
  producer<K = Uint8Array, V = Uint8Array>(options?: ProducerOptions<K, V>): Producer<K, V> {
    this.#assertOpen()
    for (const producer of this.#producers) if (producer.isClosed) this.#producers.delete(producer)
    const producer = new Producer<K, V>(this.#transport, this.#env.clock, options)
    // Only close() is called through the set; it does not depend on the types.
    this.#producers.add(producer as Producer<never, never>)
    return producer
  }

  /** A consumer of this thread; types as for producer(). Throws VltavaError INVALID_ARGUMENT, LOG_CLOSED. */
  consumer<K extends SerdeChoice = 'bytes', V extends SerdeChoice = 'bytes'>(
    options?: ConsumerChoices<K, V>,
  ): Consumer<SerdeData<K>, SerdeData<V>>
  consumer<K, V>(options?: ConsumerOptions<K, V>): Consumer<K, V>
  consumer<K = Uint8Array, V = Uint8Array>(options?: ConsumerOptions<K, V>): Consumer<K, V> {
    this.#assertOpen()
    for (const consumer of this.#consumers) if (consumer.isClosed) this.#consumers.delete(consumer)
    const consumer = new Consumer<K, V>(this.#transport, options, { link: this.#groups, env: this.#env })
    this.#consumers.add(consumer as Consumer<never, never>)
    return consumer
  }

  /**
   * Serves the log to Kafka clients over TCP, by threads of its own, until the listener or the log is closed. By
   * default on 127.0.0.1:9092. Rejects with VltavaError ADDRESS_IN_USE, ADDRESS_UNUSABLE, INVALID_ARGUMENT,
   * INVALID_CONFIG, LOG_CLOSED.
   */
  async listen(options: ListenOptions = {}): Promise<Listener> {
    this.#assertOpen()
    const listener = await this.#startListener(this.address, options)
    if (this.isClosed) await listener.close()
    this.#assertOpen()
    this.#listeners.add(listener)
    return listener
  }

  /**
   * Ends this thread's listeners, flushes its producers and closes: the thread that opened the log closes it for all
   * and releases the directory; a thread that attached only leaves. Consumers' loops end with LOG_CLOSED. A second
   * call waits for the first. Rejects with the first error of a producer or of the disk; the log is closed all the
   * same.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#listeners].map((listener) => listener.close()))
    const outcomes = await Promise.allSettled([...this.#producers].map((producer) => producer.close()))
    // Members of groups leave while there is a coordinator to tell. The loops of others end with the log.
    const members = [...this.#consumers].filter((consumer) => consumer.isMember)
    outcomes.push(...(await Promise.allSettled(members.map((consumer) => consumer.close()))))
    await this.#transport.close()
    for (const consumer of this.#consumers) consumer.unassign() // Files and maps are given back.
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #assertOpen(): void {
    if (this.isClosed) throw new VltavaError('LOG_CLOSED', 'this log is closed')
  }
}
