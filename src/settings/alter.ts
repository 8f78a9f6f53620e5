/**
 * How settings are changed: IncrementalAlterConfigs' four operations, and what each kind of resource lets in.
 *
 * Nothing is changed here: the new values are returned, or an error is thrown: VltavaError INVALID_REQUEST for what
 * cannot be asked, INVALID_CONFIG for what a setting cannot be. As in Kafka a broker's refusals are INVALID_REQUEST.
 */
import { VltavaError } from '../base/errors.ts'
import { BROKER_SETTINGS } from './broker-settings.ts'
import { brokerValue } from './describe.ts'
import { CLIENT_METRICS_SETTINGS, GROUP_SETTINGS } from './group-settings.ts'
import type { Overrides, Values } from './overrides.ts'
import { elementsOf, settingIn, type Setting, valueFault } from './setting.ts'

export interface SettingChange {
  readonly name: string
  /** append and subtract: elements of a list. */
  readonly operation: 'set' | 'delete' | 'append' | 'subtract'
  /** Not for delete. */
  readonly value: string | null
}

/** `present` after `changes`; `known` are the settings there may be, `defaultOf` what a list is where it is not set. */
export function applyChanges(
  present: Values,
  changes: readonly SettingChange[],
  known: Readonly<Record<string, Setting>>,
  defaultOf: (name: string) => string | null | undefined,
): Values {
  const names = new Set(changes.map(({ name }) => name))
  if (names.size < changes.length) throw new VltavaError('INVALID_REQUEST', 'a setting is changed twice in one request')
  const nameless = changes.find(({ operation, value }) => operation !== 'delete' && value === null)
  if (nameless !== undefined) throw new VltavaError('INVALID_REQUEST', `${nameless.name} is given without a value`)
  const values = new Map(Object.entries(present))
  for (const { name, operation, value } of changes) {
    if (operation === 'delete') values.delete(name)
    else if (operation === 'set') values.set(name, value!)
    else values.set(name, changeList(name, operation, value!, known, values.get(name) ?? defaultOf(name) ?? ''))
  }
  return Object.fromEntries(values)
}

function changeList(
  name: string,
  operation: 'append' | 'subtract',
  value: string,
  known: Readonly<Record<string, Setting>>,
  present: string,
): string {
  const setting = settingIn(known, name)
  if (setting?.type !== 'list') {
    throw new VltavaError('INVALID_CONFIG', `${name} is no list: ${operation} does not apply to it`)
  }
  const given = elementsOf(value)
  const elements = elementsOf(present)
  if (operation === 'append') return [...elements, ...given.filter((one) => !elements.includes(one))].join(',')
  return elements.filter((one) => !given.includes(one)).join(',')
}

/** The values of one broker ('broker') or of all ('brokerDefault') after `changes`. */
export function alterBroker(
  overrides: Overrides,
  layer: 'broker' | 'brokerDefault',
  changes: readonly SettingChange[],
  isReplacement: boolean,
): Values {
  for (const { name, operation } of changes) checkMayChange(layer, name, operation)
  const kept = isReplacement && layer === 'brokerDefault' ? pick(overrides.brokerDefault, 'min.insync.replicas') : {}
  const present = isReplacement ? kept : overrides[layer]
  const values = applyChanges(present, changes, BROKER_SETTINGS, (name) => brokerValue(overrides, name))
  for (const { name } of changes) {
    const value = settingIn(values, name)
    const setting = settingIn(BROKER_SETTINGS, name)
    if (value === undefined || setting === undefined) continue // As in Kafka: plugins may know it.
    const fault = valueFault(setting, value) ?? retentionFault(name, value)
    if (fault !== undefined) throw new VltavaError('INVALID_REQUEST', `${name}=${value} ${fault}`)
  }
  return values
}

function pick(values: Values, name: string): Values {
  const value = settingIn(values, name)
  return value === undefined ? {} : { [name]: value }
}

const TLS_OR_SASL = /^(ssl|sasl)\./

function checkMayChange(layer: 'broker' | 'brokerDefault', name: string, operation: SettingChange['operation']): void {
  const change = settingIn(BROKER_SETTINGS, name)?.change
  if (TLS_OR_SASL.test(name)) throw new VltavaError('INVALID_REQUEST', `${name} is for listeners that are not here`)
  if (change === 'fixed') throw new VltavaError('INVALID_REQUEST', `${name} cannot be changed while the broker runs`)
  if (change === 'per-broker' && layer === 'brokerDefault') {
    throw new VltavaError('INVALID_REQUEST', `${name} is set for one broker, not for all: name the broker`)
  }
  if (name !== 'min.insync.replicas') return
  if (layer === 'broker') throw new VltavaError('INVALID_CONFIG', `${name} is set for all brokers, not for one`)
  if (operation === 'delete') throw new VltavaError('INVALID_CONFIG', `${name} of the cluster cannot be taken away`)
}

function retentionFault(name: string, value: string): string | undefined {
  return name === 'log.retention.ms' && Number(value) === 0 ? 'is neither -1 nor 1 or more' : undefined
}

/** The values of a group after `changes`. */
export function alterGroup(
  overrides: Overrides,
  group: string,
  changes: readonly SettingChange[],
  isReplacement: boolean,
): Values {
  const present = isReplacement ? {} : (settingIn(overrides.groups, group) ?? {})
  const values = applyChanges(present, changes, GROUP_SETTINGS, () => '')
  for (const [name, value] of Object.entries(values)) {
    const setting = settingIn(GROUP_SETTINGS, name)
    if (setting === undefined) throw new VltavaError('INVALID_CONFIG', `there is no group setting '${name}'`)
    const fault = valueFault(setting, value)
    if (fault !== undefined) throw new VltavaError('INVALID_CONFIG', `${name}=${value} ${fault}`)
    const lowest = bound(overrides, setting.lowest)
    const highest = bound(overrides, setting.highest)
    if (Number(value) >= (lowest ?? -Infinity) && Number(value) <= (highest ?? Infinity)) continue
    const range = `${setting.lowest}=${lowest} .. ${setting.highest}=${highest}`
    throw new VltavaError('INVALID_CONFIG', `${name}=${value} is outside ${range}`)
  }
  return values
}

function bound(overrides: Overrides, name: string | undefined): number | undefined {
  if (name === undefined) return undefined
  const value = brokerValue(overrides, name)
  return value === undefined || value === null ? undefined : Number(value)
}

/** The values of a subscription to client metrics after `changes`. */
export function alterClientMetrics(
  overrides: Overrides,
  subscription: string,
  changes: readonly SettingChange[],
  isReplacement: boolean,
): Values {
  const present = isReplacement ? {} : (settingIn(overrides.clientMetrics, subscription) ?? {})
  const values = applyChanges(present, changes, CLIENT_METRICS_SETTINGS, () => '')
  for (const [name, value] of Object.entries(values)) {
    const setting = settingIn(CLIENT_METRICS_SETTINGS, name)
    if (setting === undefined) throw new VltavaError('INVALID_REQUEST', `there is no client metrics setting '${name}'`)
    const fault = valueFault(setting, value)
    if (fault !== undefined) throw new VltavaError('INVALID_REQUEST', `${name}=${value} ${fault}`)
  }
  return values
}
