/**
 * A setting of Kafka: its type, default and limits, and whether a text is a value of it.
 *
 * Values are text everywhere; a list is separated by commas. Names, types, defaults and limits are those of Kafka 4.3.
 */
export type SettingType = 'boolean' | 'string' | 'int' | 'short' | 'long' | 'double' | 'list' | 'class' | 'password'

export interface Setting {
  readonly type: SettingType
  /** null: none. */
  readonly default: string | null
  readonly min?: number
  readonly max?: number
  /** All values, or, of a list, all its elements. */
  readonly choices?: readonly string[]
  /** What else a value must be; undefined if it is. */
  readonly fault?: (value: string) => string | undefined
  readonly documentation: string
}

/** Types as DescribeConfigs numbers them. */
export const TYPE_CODES: Readonly<Record<SettingType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
  class: 8,
  password: 9,
}

export const INT_MAX = 0x7fff_ffff
/** Kafka's "max long", its word for no limit. */
export const LONG_MAX_TEXT = '9223372036854775807'
const LONG_MAX = 9_223_372_036_854_775_807n
const SHORT_MAX = 0x7fff

/** Why `value` is no value of the setting, as the end of a sentence that begins with name=value; undefined if it is. */
export function valueFault(setting: Setting, value: string): string | undefined {
  return typeFault(setting, value.trim()) ?? setting.fault?.(value)
}

function typeFault(setting: Setting, text: string): string | undefined {
  switch (setting.type) {
    case 'boolean':
      return /^(true|false)$/i.test(text) ? undefined : 'is neither true nor false'
    case 'int':
    case 'short':
    case 'long':
      return wholeNumberFault(setting, text)
    case 'double':
      return doubleFault(setting, text)
    case 'list':
      return choiceFault(setting, elementsOf(text))
    case 'string':
    case 'class':
    case 'password':
      return choiceFault(setting, [text])
  }
}

/** Elements of a list, without the empty ones. */
export function elementsOf(list: string): string[] {
  return list
    .split(',')
    .map((element) => element.trim())
    .filter((element) => element !== '')
}

function wholeNumberFault(setting: Setting, text: string): string | undefined {
  const limit = setting.type === 'long' ? LONG_MAX : BigInt(setting.type === 'int' ? INT_MAX : SHORT_MAX)
  const min = BigInt(setting.min ?? -limit - 1n)
  const max = BigInt(setting.max ?? limit)
  if (/^[+-]?\d{1,19}$/.test(text)) {
    const parsed = BigInt(text.startsWith('+') ? text.slice(1) : text)
    if (parsed >= min && parsed <= max) return undefined
  }
  return `is not a whole number in ${min} .. ${max}`
}

function doubleFault({ min = -Number.MAX_VALUE, max = Number.MAX_VALUE }: Setting, text: string): string | undefined {
  const parsed = text === '' ? Number.NaN : Number(text)
  return parsed >= min && parsed <= max ? undefined : `is not a number in ${min} .. ${max}`
}

function choiceFault({ choices }: Setting, elements: readonly string[]): string | undefined {
  if (choices === undefined || elements.every((element) => choices.includes(element))) return undefined
  return `is none of ${choices.join(', ')}`
}

/** The setting of that name, and of no name that every object has. */
export function settingIn<S>(table: Readonly<Record<string, S>>, name: string): S | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}
