/** Whom quotas are for, and what they may say. */
import { type Outcome, refusal } from './outcome.ts'

/** In the order in which answers name them. */
export const ENTITY_TYPES = ['client-id', 'user', 'ip'] as const
export type EntityType = (typeof ENTITY_TYPES)[number]

export function isEntityType(type: string): type is EntityType {
  return (ENTITY_TYPES as readonly string[]).includes(type)
}

type ValueRule = 'whole' | 'fraction'

const CLIENT_KEYS: Readonly<Record<string, ValueRule>> = {
  producer_byte_rate: 'whole',
  consumer_byte_rate: 'whole',
  request_percentage: 'fraction',
  controller_mutation_rate: 'fraction',
}
const IP_KEYS: Readonly<Record<string, ValueRule>> = { connection_creation_rate: 'whole' }
const INT_MAX = 0x7fff_ffff

/** Why a quota of that key cannot be set, or taken away, for the entity; undefined if it can. */
export function quotaFault(isIp: boolean, key: string, value: number, isRemoved: boolean): Outcome | undefined {
  const keys = isIp ? IP_KEYS : CLIENT_KEYS
  const rule = Object.hasOwn(keys, key) ? keys[key] : undefined
  if (rule === undefined) return refusal('INVALID_REQUEST', `there is no quota ${key} for such an entity`)
  if (isRemoved) return undefined
  if (!(value > 0) || value === Number.POSITIVE_INFINITY)
    return refusal('INVALID_REQUEST', `${key}=${value} is not above 0`)
  if (rule === 'whole' && !Number.isInteger(value)) return refusal('INVALID_REQUEST', `${key}=${value} is not whole`)
  if (isIp && value > INT_MAX) return refusal('INVALID_REQUEST', `${key}=${value} is above ${INT_MAX}`)
  return undefined
}
