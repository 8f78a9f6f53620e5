/**
 * SettingsStore: what administrators have set for the broker, groups and clients. Owned by the dispatcher thread.
 *
 * Kafka keeps this in its metadata log; one node keeps it in one small file, `vltava-settings.json`, replaced atomically:
 *
 *   { "version": 1, "broker", "brokerDefault", "groups", "clientMetrics", "quotas" }   as in settings/overrides.ts
 *
 * Settings of topics are in vltava-topics.json; those given at the start are in no file.
 */
import type { Fs } from '../base/env/env.ts'
import { VltavaError } from '../base/errors.ts'
import { readSmallFile, replaceFile } from '../base/file-io.ts'
import { NO_OVERRIDES, type Overrides, type QuotaEntry, type Values } from '../settings/overrides.ts'

const SETTINGS_FILE = 'vltava-settings.json'
const SETTINGS_VERSION = 1

export class SettingsStore {
  readonly #fs: Fs
  readonly #directory: string
  #overrides: Overrides

  /** Throws VltavaError DIRECTORY_VERSION or DIRECTORY_CORRUPT. */
  constructor(fs: Fs, directory: string, given: Values) {
    this.#fs = fs
    this.#directory = directory
    const bytes = readSmallFile(fs, `${directory}/${SETTINGS_FILE}`)
    const kept = bytes === undefined ? NO_OVERRIDES : this.#parse(new TextDecoder().decode(bytes))
    this.#overrides = { ...kept, static: given }
  }

  get overrides(): Overrides {
    return this.#overrides
  }

  /** Durable when it returns; nothing has changed if it throws StorageError. */
  put(change: Partial<Omit<Overrides, 'static'>>): void {
    const overrides = { ...this.#overrides, ...change }
    const { static: _given, ...kept } = overrides
    const content = JSON.stringify({ version: SETTINGS_VERSION, ...kept }, undefined, 1)
    replaceFile(this.#fs, this.#directory, SETTINGS_FILE, new TextEncoder().encode(content))
    this.#overrides = overrides
  }

  give(given: Values): void {
    this.#overrides = { ...this.#overrides, static: given }
  }

  #parse(text: string): Omit<Overrides, 'static'> {
    const file = `${this.#directory}/${SETTINGS_FILE}`
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch (error) {
      throw new VltavaError('DIRECTORY_CORRUPT', `${file} is not JSON: ${String(error)}`, { cause: error })
    }
    if (!isObject(parsed) || typeof parsed['version'] !== 'number') {
      throw new VltavaError('DIRECTORY_CORRUPT', `${file} has no version`)
    }
    if (parsed['version'] > SETTINGS_VERSION) {
      const message = `${file} has version=${parsed['version']}; this release reads up to version=${SETTINGS_VERSION}`
      throw new VltavaError('DIRECTORY_VERSION', `${message}. Open the directory with the newer release that wrote it.`)
    }
    const { broker, brokerDefault, groups, clientMetrics, quotas } = parsed
    if (!isValues(broker) || !isValues(brokerDefault) || !isLayers(groups) || !isLayers(clientMetrics)) {
      throw new VltavaError('DIRECTORY_CORRUPT', `${file} has settings that are not texts`)
    }
    if (!Array.isArray(quotas) || !quotas.every(isQuota)) {
      throw new VltavaError('DIRECTORY_CORRUPT', `${file} has malformed quotas`)
    }
    return { broker, brokerDefault, groups, clientMetrics, quotas }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isValues(value: unknown): value is Values {
  return isObject(value) && Object.values(value).every((one) => typeof one === 'string')
}

function isLayers(value: unknown): value is Readonly<Record<string, Values>> {
  return isObject(value) && Object.values(value).every(isValues)
}

function isQuota(value: unknown): value is QuotaEntry {
  if (!isObject(value) || !isObject(value['entity']) || !isObject(value['values'])) return false
  const isEntity = Object.entries(value['entity']).every(
    ([type, name]) => ['user', 'client-id', 'ip'].includes(type) && (name === null || typeof name === 'string'),
  )
  return isEntity && Object.values(value['values']).every((quota) => typeof quota === 'number')
}
