import { describe, expect, it } from 'vitest'
import type { AdminLink } from '../../src/protocol/admin-link.ts'
import { AdminQuotaStore } from '../../src/server/quota-store.ts'
import { NO_OVERRIDES, type Overrides, type QuotaEntry } from '../../src/settings/overrides.ts'

function storeOf(quotas: readonly QuotaEntry[]): { store: AdminQuotaStore; set(next: readonly QuotaEntry[]): void } {
  const listeners = new Set<() => void>()
  const link = {
    overrides: { ...NO_OVERRIDES, quotas } as Overrides,
    onOverrides: (listener: () => void) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  const store = new AdminQuotaStore(link as unknown as AdminLink)
  const set = (next: readonly QuotaEntry[]): void => {
    link.overrides = { ...NO_OVERRIDES, quotas: next }
    for (const listener of listeners) listener()
  }
  return { store, set }
}

const rate = (value: number): Readonly<Record<string, number>> => ({ producer_byte_rate: value })

/** Kafka's order, most special first. */
const LADDER: readonly QuotaEntry[] = [
  { entity: { user: 'u', 'client-id': 'c' }, values: rate(1) },
  { entity: { user: 'u', 'client-id': null }, values: rate(2) },
  { entity: { user: 'u' }, values: rate(3) },
  { entity: { user: null, 'client-id': 'c' }, values: rate(4) },
  { entity: { user: null, 'client-id': null }, values: rate(5) },
  { entity: { user: null }, values: rate(6) },
  { entity: { 'client-id': 'c' }, values: rate(7) },
  { entity: { 'client-id': null }, values: rate(8) },
]

describe('quotas of clients', () => {
  it("are found in Kafka's order", () => {
    for (let first = 0; first < LADDER.length; first++) {
      const { store } = storeOf(LADDER.slice(first))
      expect(store.clientQuota('producer_byte_rate', 'u', 'c')?.value).toBe(first + 1)
    }
    expect(storeOf([]).store.clientQuota('producer_byte_rate', 'u', 'c')).toBeUndefined()
  })

  it('of another kind hide none', () => {
    const { store } = storeOf([
      { entity: { user: 'u' }, values: { consumer_byte_rate: 1 } },
      { entity: { 'client-id': null }, values: rate(8) },
    ])
    expect(store.clientQuota('producer_byte_rate', 'u', 'c')?.value).toBe(8)
  })

  it('are shared by the clients of a user, and not by the users of the default', () => {
    const bucket = (quotas: readonly QuotaEntry[], user: string, clientId: string): string | undefined =>
      storeOf(quotas).store.clientQuota('producer_byte_rate', user, clientId)?.bucket
    const ofUser = [LADDER[2]!]
    expect(bucket(ofUser, 'u', 'a')).toBe(bucket(ofUser, 'u', 'b'))
    const ofAnyUser = [LADDER[5]!]
    expect(bucket(ofAnyUser, 'u', 'a')).toBe(bucket(ofAnyUser, 'u', 'b'))
    expect(bucket(ofAnyUser, 'u', 'a')).not.toBe(bucket(ofAnyUser, 'v', 'a'))
  })

  it('change while the broker runs, and the version says so', () => {
    const { store, set } = storeOf([])
    const before = store.version
    set([LADDER[7]!])
    expect(store.version).toBeGreaterThan(before)
    expect(store.clientQuota('producer_byte_rate', 'u', 'c')?.value).toBe(8)
    store.close()
    set([])
    expect(store.clientQuota('producer_byte_rate', 'u', 'c')?.value).toBe(8)
  })
})

describe('connections', () => {
  it('of an address have its rate, or the default one', () => {
    const { store } = storeOf([
      { entity: { ip: '10.0.0.1' }, values: { connection_creation_rate: 5 } },
      { entity: { ip: null }, values: { connection_creation_rate: 9 } },
    ])
    expect(store.connectionRate('10.0.0.1')).toBe(5)
    expect(store.connectionRate('10.0.0.2')).toBe(9)
    expect(storeOf([]).store.connectionRate('10.0.0.1')).toBeUndefined()
  })
})
