/**
 * QuotaStore: which quota holds for a client, as administrators have set them (KIP-13, KIP-546, KIP-612).
 *
 * For each kind of quota the first of these that has one counts:
 *   user + client-id, user + any client-id, user,
 *   any user + client-id, any user + any client-id, any user,
 *   client-id, any client-id
 * Who shares a quota shares a bucket: a quota of a user is for all of its clients together, one of "any user" for each
 * user by itself.
 */
import type { AdminLink } from '../protocol/admin-link.ts'
import type { QuotaEntry } from '../settings/overrides.ts'

export type ClientQuotaKind =
  'producer_byte_rate' | 'consumer_byte_rate' | 'request_percentage' | 'controller_mutation_rate'

export interface Quota {
  /** Bytes a second; per cent of one thread's time; changed partitions a second. */
  readonly value: number
  /** The same for all who use it up together. */
  readonly bucket: string
}

export interface QuotaStore {
  /** Raised whenever a quota changed: what was looked up before may be another now. */
  readonly version: number
  /** `user`: of an authenticated client, else 'ANONYMOUS', as in Kafka. undefined: no limit. */
  clientQuota(kind: ClientQuotaKind, user: string, clientId: string): Quota | undefined
  /** New connections a second from an address, its own or the default's; undefined: no limit. */
  connectionRate(address: string): number | undefined
}

/** The quotas of the broker, as the engine knows them in this thread. */
export class AdminQuotaStore implements QuotaStore {
  version = 0
  #byEntity = new Map<string, QuotaEntry['values']>()
  readonly #stop: () => void

  constructor(admin: AdminLink) {
    const learn = (): void => {
      this.version += 1
      this.#byEntity = new Map(admin.overrides.quotas.map(({ entity, values }) => [keyOf(entity), values]))
    }
    learn()
    this.#stop = admin.onOverrides(learn)
  }

  clientQuota(kind: ClientQuotaKind, user: string, clientId: string): Quota | undefined {
    if (this.#byEntity.size === 0) return undefined
    for (const ofUser of [user, null, undefined]) {
      for (const ofClient of [clientId, null, undefined]) {
        if (ofUser === undefined && ofClient === undefined) continue
        const value = this.#byEntity.get(keyOf(entityOf(ofUser, ofClient)))?.[kind]
        if (value === undefined) continue
        const shared = entityOf(ofUser === undefined ? undefined : user, ofClient === undefined ? undefined : clientId)
        return { value, bucket: keyOf(shared) }
      }
    }
    return undefined
  }

  connectionRate(address: string): number | undefined {
    const own = this.#byEntity.get(keyOf({ ip: address })) ?? this.#byEntity.get(keyOf({ ip: null }))
    return own?.['connection_creation_rate']
  }

  close(): void {
    this.#stop()
  }
}

function entityOf(user: string | null | undefined, clientId: string | null | undefined): QuotaEntry['entity'] {
  return { ...(user === undefined ? {} : { user }), ...(clientId === undefined ? {} : { 'client-id': clientId }) }
}

function keyOf({ user, 'client-id': clientId, ip }: QuotaEntry['entity']): string {
  return JSON.stringify([user, clientId, ip].map((name) => (name === undefined ? 0 : [name])))
}
