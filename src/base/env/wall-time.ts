/**
 * Wall time as people write it. Here because Date is banned elsewhere; nothing in this file reads a clock.
 */

const ISO_TIME = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/i

/**
 * Milliseconds since the Unix epoch of an ISO 8601 date or time, or undefined for any other text. A time without a zone
 * is local time, a date alone is its midnight in UTC, as in JavaScript.
 */
export function parseIsoTime(text: string): number | undefined {
  if (!ISO_TIME.test(text)) return undefined
  const milliseconds = Date.parse(text.replace(' ', 'T').replace(',', '.').toUpperCase())
  return Number.isNaN(milliseconds) ? undefined : milliseconds
}

/** ISO 8601 in UTC with milliseconds; the number itself where no date can say it. */
export function formatIsoTime(milliseconds: number): string {
  const date = new Date(milliseconds)
  return Number.isNaN(date.getTime()) ? String(milliseconds) : date.toISOString()
}
