/**
 * Numbers as people read them: 1,234,567 records, 1.2 GB, 3.4 s. Decimal units: MB is 10^6 bytes.
 */

/** 1234567 -> '1,234,567'. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

/** 1234567 -> '1.23 M', for rates. */
export function formatRate(perSecond: number): string {
  return withUnit(perSecond, ['', ' k', ' M', ' G'])
}

/** 1234567 -> '1.23 MB'. */
export function formatBytes(bytes: number): string {
  return withUnit(bytes, [' B', ' kB', ' MB', ' GB', ' TB'])
}

/** 1234.5 -> '1.23 s'; below a second '234 ms'. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`
  return `${(milliseconds / 1000).toFixed(milliseconds < 99_950 ? 2 : 0)} s`
}

/** 1 -> '1 record', 2 -> '2 records'. */
export function plural(count: number, noun: string, nouns: string = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : nouns}`
}

function withUnit(value: number, units: readonly string[]): string {
  let scaled = Number.isFinite(value) ? value : 0
  let unit = 0
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000
    unit += 1
  }
  const digits = unit === 0 || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2
  return `${scaled.toFixed(digits)}${units[unit]}`
}
