/** Quotas: which one counts for a client, when it has to wait, and for how long. */
import { describe, expect, it } from 'vitest'
import { ClientQuotas, RateMeter } from '../../src/server/quotas.ts'
import { BrokerSettings } from '../../src/server/settings.ts'
import type { QuotaEntry } from '../../src/settings/overrides.ts'
import { fetchRequest, batchOf, ManualTime, produceRequest, startServer } from './harness.ts'

class Store {
  overrides: { quotas: readonly QuotaEntry[] } = { quotas: [] }
  #listener: () => void = () => undefined

  onOverrides(listener: () => void): () => void {
    this.#listener = listener
    return () => undefined
  }

  set(quotas: readonly QuotaEntry[]): void {
    this.overrides = { quotas }
    this.#listener()
  }
}

function quotasOf(entries: readonly QuotaEntry[]) {
  const store = new Store()
  const time = new ManualTime()
  const quotas = new ClientQuotas(store, time, new BrokerSettings({}))
  store.set(entries)
  return { store, time, quotas }
}

describe('a rate', () => {
  it('lets a burst of all windows pass, and then asks to wait until the average is right again', () => {
    const meter = new RateMeter(11, 1000)
    meter.record(10_000, 0)
    expect(meter.overMs(1_000, 0)).toBe(0)
    meter.record(5_000, 0)
    // 15,000 in 10 s are 1,500 a second: half over, so half of the ten seconds.
    expect(meter.overMs(1_000, 0)).toBe(5_000)
    expect(meter.overMs(1_000, 20_000)).toBe(0)
  })
})

describe('a quota', () => {
  it('of the client comes before the default, of the user before both', () => {
    const values = (limit: number) => ({ producer_byte_rate: limit })
    const { store, quotas } = quotasOf([{ entity: { 'client-id': null }, values: values(1) }])
    expect(quotas.record('producer_byte_rate', 'a', 1_000)).toBeGreaterThan(0)
    expect(quotas.record('consumer_byte_rate', 'a', 1_000_000)).toBe(0)
    const named = [{ entity: { 'client-id': 'b' }, values: values(1e9) }, ...store.overrides.quotas]
    store.set(named)
    expect(quotas.record('producer_byte_rate', 'b', 1_000)).toBe(0)
    store.set([{ entity: { user: null, 'client-id': 'b' }, values: values(1) }, ...named])
    expect(quotas.record('producer_byte_rate', 'b', 1_000)).toBeGreaterThan(0)
    store.set([])
    expect(quotas.record('producer_byte_rate', 'b', 1_000_000)).toBe(0)
  })

  it('is counted for each client by itself', () => {
    const { quotas } = quotasOf([{ entity: { 'client-id': null }, values: { consumer_byte_rate: 1_000 } }])
    expect(quotas.record('consumer_byte_rate', 'a', 100_000)).toBeGreaterThan(0)
    expect(quotas.record('consumer_byte_rate', 'b', 100)).toBe(0)
  })
})

it('a client over its quota is told so at once, and not read for as long', async () => {
  const harness = await startServer()
  try {
    await harness.createTopic('t')
    const changes = [{ entity: { 'client-id': 'test' }, values: { producer_byte_rate: 100 } }]
    await harness.transport.admin.ask({ type: 'alterQuotas', changes })
    await expect.poll(() => harness.transport.admin.overrides.quotas.length).toBe(1)
    const client = harness.client()
    const first = await client.ask(0, 9, produceRequest('t', batchOf(['x'.repeat(5_000)])))
    expect(first['throttleTimeMs']).toBeGreaterThan(1_000)
    client.send(1, 11, fetchRequest('t', 0))
    // Another connection is served; this one not.
    await harness.client().ask(18, 0, {})
    expect(client.frameCount).toBe(0)
    harness.time.advance(first['throttleTimeMs'] as number)
    expect((await client.response(1, 11)).body['throttleTimeMs']).toBe(0)
  } finally {
    await harness.close()
  }
})
