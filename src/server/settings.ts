/**
 * BrokerSettings: the settings of the broker that the listener itself obeys, by Kafka's names, and all others as they
 * were given, for the handlers that know them.
 */
import { VltavaError } from '../base/errors.ts'

interface NumberSetting {
  readonly default: number
  readonly min: number
  readonly max: number
}

/** Where Kafka would set no bound. */
export const REQUEST_MEMORY_BYTES = 256 << 20

const INT_MAX = 0x7fff_ffff
const LONG_MAX = Number.MAX_SAFE_INTEGER

/** Defaults are Kafka's but where a comment says otherwise. */
const NUMBERS = {
  'socket.request.max.bytes': { default: 104_857_600, min: 1, max: INT_MAX },
  'connections.max.idle.ms': { default: 600_000, min: -1, max: LONG_MAX },
  'max.connections': { default: INT_MAX, min: 0, max: INT_MAX },
  'max.connections.per.ip': { default: INT_MAX, min: 0, max: INT_MAX },
  // Of requests that are not answered, for each thread; batches in its arena do not count. -1: REQUEST_MEMORY_BYTES.
  'queued.max.request.bytes': { default: -1, min: -1, max: LONG_MAX },
  'fetch.max.bytes': { default: 57_671_680, min: 1024, max: INT_MAX },
  'max.incremental.fetch.session.cache.slots': { default: 1000, min: 0, max: INT_MAX },
  'quota.window.num': { default: 11, min: 1, max: INT_MAX },
  'quota.window.size.seconds': { default: 1, min: 1, max: INT_MAX },
} as const satisfies Readonly<Record<string, NumberSetting>>

export type NumberSettingName = keyof typeof NUMBERS

export class BrokerSettings {
  readonly #given: Readonly<Record<string, string>>
  readonly #numbers: Readonly<Record<NumberSettingName, number>>

  /** Throws VltavaError INVALID_CONFIG for a value that a setting cannot have. */
  constructor(given: Readonly<Record<string, string>>) {
    this.#given = given
    const numbers: Partial<Record<NumberSettingName, number>> = {}
    for (const name of Object.keys(NUMBERS) as NumberSettingName[]) numbers[name] = parse(name, given[name])
    this.#numbers = numbers as Record<NumberSettingName, number>
  }

  number(name: NumberSettingName): number {
    return this.#numbers[name]
  }

  /** As given, or the default of those that are known here. */
  get(name: string): string | undefined {
    if (Object.hasOwn(this.#given, name)) return this.#given[name]
    return Object.hasOwn(NUMBERS, name) ? String(this.#numbers[name as NumberSettingName]) : undefined
  }
}

function parse(name: NumberSettingName, text: string | undefined): number {
  const setting: NumberSetting = NUMBERS[name]
  if (text === undefined) return setting.default
  const value = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= setting.min && value <= setting.max) return value
  throw new VltavaError('INVALID_CONFIG', `${name}=${text} is not a whole number in ${setting.min} .. ${setting.max}`)
}
