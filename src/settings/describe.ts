/**
 * What a setting's value is, and all that stands behind it, as DescribeConfigs shows it: the value, where it comes from,
 * and its synonyms, the first of which counts.
 */
import { assert } from '../base/assert.ts'
import { BROKER_SETTINGS } from './broker-settings.ts'
import { CLIENT_METRICS_SETTINGS, GROUP_SETTINGS } from './group-settings.ts'
import type { Overrides, Values } from './overrides.ts'
import { settingIn, type Setting, TYPE_CODES } from './setting.ts'
import { TOPIC_SETTINGS, type TopicSetting } from './topic-settings.ts'

/** As DescribeConfigs numbers them. */
export const Source = {
  topic: 1,
  broker: 2,
  brokerDefault: 3,
  static: 4,
  default: 5,
  clientMetrics: 7,
  group: 8,
} as const

export interface Synonym {
  readonly name: string
  readonly value: string | null
  readonly source: number
}

export interface DescribedSetting extends Synonym {
  readonly isReadOnly: boolean
  readonly isSensitive: boolean
  readonly synonyms: readonly Synonym[]
  readonly typeCode: number
  readonly documentation: string
}

const UNKNOWN_TYPE_CODE = 0

/** The value that the broker goes by; null if it has none. undefined: no layer knows such a setting. */
export function brokerValue(overrides: Overrides, name: string): string | null | undefined {
  for (const layer of [overrides.broker, overrides.brokerDefault, overrides.static]) {
    const value = settingIn(layer, name)
    if (value !== undefined) return value
  }
  return settingIn(BROKER_SETTINGS, name)?.default
}

/** What a topic that does not set it goes by. */
export function topicDefault(overrides: Overrides, setting: TopicSetting): string {
  for (const { name, factor = 1 } of setting.synonyms) {
    const value = brokerValue(overrides, name)
    if (value === undefined || value === null) continue
    if (factor === 1) return value
    return Number(value) < 0 ? '-1' : String(Number(value) * factor)
  }
  assert(setting.default !== null, 'every setting of a topic has a default')
  return setting.default
}

export function topicDefaults(overrides: Overrides): Values {
  return Object.fromEntries(
    Object.entries(TOPIC_SETTINGS).map(([name, setting]) => [name, topicDefault(overrides, setting)]),
  )
}

/** Settings of a topic that has set `configs`; an internal one only if it is among them. */
export function describeTopicSettings(configs: Values, overrides: Overrides): DescribedSetting[] {
  const described: DescribedSetting[] = []
  for (const [name, setting] of Object.entries(TOPIC_SETTINGS)) {
    const value = settingIn(configs, name)
    if (setting.isHidden === true && value === undefined) continue
    const synonyms = brokerSynonyms(setting, overrides)
    if (value !== undefined) synonyms.unshift({ name, value, source: Source.topic })
    described.push({
      ...shown(name, setting, value ?? topicDefault(overrides, setting), synonyms),
      isReadOnly: false,
    })
  }
  return described
}

/** Settings of the broker: all that it knows, and others that were set. */
export function describeBrokerSettings(overrides: Overrides): DescribedSetting[] {
  const { broker, brokerDefault } = overrides
  const shownAlways = Object.keys(BROKER_SETTINGS).filter((name) => BROKER_SETTINGS[name]!.isHidden !== true)
  const names = new Set([...shownAlways, ...Object.keys(broker), ...Object.keys(brokerDefault)])
  return [...names].map((name) => {
    const setting = settingIn(BROKER_SETTINGS, name)
    const synonyms = layersOf(overrides, synonymousWith(name))
    while (synonyms.length > 0 && synonyms[0]!.name !== name) synonyms.shift()
    if (setting !== undefined) {
      const value = brokerValue(overrides, name) ?? null
      return { ...shown(name, setting, value, synonyms), isReadOnly: setting.change === 'fixed' }
    }
    return unknown(name, synonyms)
  })
}

/** What was set for all brokers. */
export function describeBrokerDefaults(overrides: Overrides): DescribedSetting[] {
  return Object.entries(overrides.brokerDefault).map(([name, value]) => {
    const synonyms = [{ name, value, source: Source.brokerDefault }]
    const setting = settingIn(BROKER_SETTINGS, name)
    return setting === undefined
      ? unknown(name, synonyms)
      : { ...shown(name, setting, value, synonyms), isReadOnly: setting.change === 'fixed' }
  })
}

export function describeGroupSettings(group: string, overrides: Overrides): DescribedSetting[] {
  const values = settingIn(overrides.groups, group) ?? {}
  return Object.entries(GROUP_SETTINGS).map(([name, setting]) => {
    const value = settingIn(values, name)
    const synonyms = layersOf(overrides, [setting.synonym])
    if (value !== undefined) synonyms.unshift({ name, value, source: Source.group })
    const effective = value ?? brokerValue(overrides, setting.synonym) ?? setting.default
    return { ...shown(name, setting, effective, synonyms), isReadOnly: false }
  })
}

export function describeClientMetrics(subscription: string, overrides: Overrides): DescribedSetting[] {
  const values = settingIn(overrides.clientMetrics, subscription) ?? {}
  return Object.entries(CLIENT_METRICS_SETTINGS).map(([name, setting]) => {
    const value = settingIn(values, name)
    const synonyms = value === undefined ? [] : [{ name, value, source: Source.clientMetrics }]
    return { ...shown(name, setting, value ?? setting.default, synonyms), isReadOnly: false }
  })
}

/** The broker's names for one thing, with that which goes first in front. */
function synonymousWith(name: string): readonly string[] {
  for (const { synonyms } of Object.values(TOPIC_SETTINGS)) {
    if (synonyms.length > 1 && synonyms.some((synonym) => synonym.name === name)) return synonyms.map((s) => s.name)
  }
  return [name]
}

/** Kafka shows what stands behind the first name only where that name itself has a value. */
function brokerSynonyms({ synonyms }: TopicSetting, overrides: Overrides): Synonym[] {
  const names = synonyms.map(({ name }) => name)
  const layers = layersOf(overrides, names)
  return layers[0]?.name === names[0] ? layers : []
}

function layersOf(overrides: Overrides, names: readonly string[]): Synonym[] {
  const found: Synonym[] = []
  const add = (source: number, valueOf: (name: string) => string | null | undefined): void => {
    for (const name of names) {
      const value = valueOf(name)
      if (value !== undefined && value !== null) found.push({ name, value: secretOr(name, value), source })
    }
  }
  add(Source.broker, (name) => settingIn(overrides.broker, name))
  add(Source.brokerDefault, (name) => settingIn(overrides.brokerDefault, name))
  add(Source.static, (name) => settingIn(overrides.static, name))
  add(Source.default, (name) => settingIn(BROKER_SETTINGS, name)?.default)
  return found
}

/** What nobody knows may be a password. */
function secretOr(name: string, value: string): string | null {
  const setting = settingIn(BROKER_SETTINGS, name)
  return setting === undefined || setting.type === 'password' ? null : value
}

function shown(
  name: string,
  { type, documentation }: Setting,
  value: string | null,
  synonyms: readonly Synonym[],
): Omit<DescribedSetting, 'isReadOnly'> {
  const isSensitive = type === 'password'
  const source = synonyms[0]?.source ?? Source.default
  const typeCode = TYPE_CODES[type]
  return { name, value: isSensitive ? null : value, source, isSensitive, synonyms, typeCode, documentation }
}

/** Set by somebody, known to nobody: its value is not shown. */
function unknown(name: string, synonyms: readonly Synonym[]): DescribedSetting {
  const hidden = synonyms.map((synonym) => ({ ...synonym, value: null }))
  const source = synonyms[0]?.source ?? Source.default
  const rest = { isReadOnly: true, isSensitive: true, typeCode: UNKNOWN_TYPE_CODE, documentation: '' }
  return { name, value: null, source, synonyms: hidden, ...rest }
}
