/**
 * ClientQuotas: how long a client is to be left unread because it went over its quota (KIP-13, KIP-124, KIP-219). Of
 * one net thread; quotas come from the settings that administrators have made.
 *
 *   producer_byte_rate   bytes of produce requests a second
 *   consumer_byte_rate   bytes of records a second
 *   request_percentage   share of a thread's time, 100 for one thread
 *
 * A client is its user and its client id. Of the quotas that are set for it the most special counts, in Kafka's order:
 * user before client id, named before default. Without accounts everybody is the user ANONYMOUS.
 *
 * The rate is that of Kafka's meter: over quota.window.num windows, of which all but one count as over even if the
 * client has just come; so a burst of ten seconds' worth passes at once. Whoever is over waits until the average is
 * the quota again. The answer goes out at once and says how long; then the connection is not read.
 */
import type { Clock } from '../base/env/env.ts'
import type { QuotaEntry } from '../settings/overrides.ts'
import type { BrokerSettings } from './settings.ts'

export type QuotaName = 'producer_byte_rate' | 'consumer_byte_rate' | 'request_percentage'

const USER = 'ANONYMOUS'
/** Meters of clients that have not been heard of for longest go first. */
const METERS_MAX = 10_000

/** Where quotas come from. */
export interface QuotaStore {
  readonly overrides: { readonly quotas: readonly QuotaEntry[] }
  onOverrides(listener: () => void): () => void
}

export class ClientQuotas {
  readonly #store: QuotaStore
  readonly #clock: Clock
  readonly #windowCount: number
  readonly #windowMs: number
  #quotas: readonly QuotaEntry[]
  readonly #meters = new Map<string, RateMeter>()
  /** By quota name and client id. */
  #resolved = new Map<string, Resolved | undefined>()

  constructor(store: QuotaStore, clock: Clock, settings: BrokerSettings) {
    this.#store = store
    this.#clock = clock
    this.#windowCount = settings.number('quota.window.num')
    this.#windowMs = settings.number('quota.window.size.seconds') * 1000
    this.#quotas = store.overrides.quotas
    store.onOverrides(() => {
      this.#quotas = this.#store.overrides.quotas
      this.#resolved.clear()
    })
  }

  /** Counts `amount` and returns for how many milliseconds the client is to wait, 0 for none. */
  record(name: QuotaName, clientId: string, amount: number): number {
    if (this.#quotas.length === 0) return 0
    const resolved = this.#resolve(name, clientId)
    if (resolved === undefined) return 0
    const nowMs = this.#clock.monotonicMs()
    const meter = this.#meter(resolved.meterKey)
    meter.record(amount, nowMs)
    const waitMs = meter.overMs(resolved.limit, nowMs)
    // Time is no burst to be paid off later: a window at most.
    return Math.ceil(name === 'request_percentage' ? Math.min(waitMs, this.#windowMs) : waitMs)
  }

  #resolve(name: QuotaName, clientId: string): Resolved | undefined {
    const key = `${name}/${clientId}`
    if (this.#resolved.has(key)) return this.#resolved.get(key)
    const resolved = resolveQuota(this.#quotas, name, clientId)
    if (this.#resolved.size >= METERS_MAX) this.#resolved = new Map()
    this.#resolved.set(key, resolved)
    return resolved
  }

  #meter(key: string): RateMeter {
    let meter = this.#meters.get(key)
    if (meter === undefined) {
      if (this.#meters.size >= METERS_MAX) this.#meters.delete(this.#meters.keys().next().value!)
      meter = new RateMeter(this.#windowCount, this.#windowMs)
      this.#meters.set(key, meter)
    }
    return meter
  }
}

interface Resolved {
  readonly limit: number
  /** Clients with the same key share the quota. */
  readonly meterKey: string
}

/** Undefined: no quota is set for the client. */
function resolveQuota(quotas: readonly QuotaEntry[], name: QuotaName, clientId: string): Resolved | undefined {
  for (const user of [USER, null, undefined]) {
    for (const client of [clientId, null, undefined]) {
      if (user === undefined && client === undefined) continue
      const found = quotas.find(({ entity, values }) => {
        if (values[name] === undefined || entity.ip !== undefined) return false
        return entity.user === user && entity['client-id'] === client
      })
      if (found === undefined) continue
      const meterKey = JSON.stringify([name, user !== undefined, client === undefined ? null : clientId])
      return { limit: found.values[name]!, meterKey }
    }
  }
  return undefined
}

interface Sample {
  startMs: number
  total: number
}

/** An average over some windows, the newest of which is not full yet. */
export class RateMeter {
  readonly #windowCount: number
  readonly #windowMs: number
  #samples: Sample[] = []

  constructor(windowCount: number, windowMs: number) {
    this.#windowCount = windowCount
    this.#windowMs = windowMs
  }

  record(amount: number, nowMs: number): void {
    const newest = this.#samples.at(-1)
    if (newest !== undefined && nowMs - newest.startMs < this.#windowMs) {
      newest.total += amount
      return
    }
    this.#samples.push({ startMs: nowMs, total: amount })
    if (this.#samples.length > this.#windowCount) this.#samples.shift()
  }

  /** How long nothing may come until the average is `limit` a second again. */
  overMs(limit: number, nowMs: number): number {
    const oldestMs = nowMs - this.#windowCount * this.#windowMs
    this.#samples = this.#samples.filter(({ startMs }) => startMs >= oldestMs)
    const first = this.#samples[0]
    if (first === undefined) return 0
    const total = this.#samples.reduce((sum, sample) => sum + sample.total, 0)
    const spanMs = this.#spanMs(nowMs - first.startMs)
    const over = (total * 1000) / spanMs - limit
    return over <= 0 ? 0 : (over / limit) * spanMs
  }

  /** At least all windows but one: a client that has just come is not measured by its first moment. */
  #spanMs(elapsedMs: number): number {
    const missing = Math.max(0, this.#windowCount - 1 - Math.floor(elapsedMs / this.#windowMs))
    return Math.max(1, elapsedMs + missing * this.#windowMs)
  }
}
