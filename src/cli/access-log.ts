/**
 * AccessLog: the lines of the demo, as a web server would write them. Each is decided by its thread and its number, so
 * whoever reads one can compute what it has to be, byte for byte. @hot
 *
 *   203.0.113.7 - - [01/Jan/2026:08:15:42 +0000] "GET /products/817 HTTP/1.1" 200 5123 "https://shop.example/"
 *   "Mozilla/5.0 (X11; Linux x86_64) vltava-demo/1 0-00000012345"        (one line; thread 0, number 12345)
 *
 * A line is one of LINE_COUNT prepared ones with its time and number written over: no string is made per line.
 */
import { SeededRandom, randomBelow } from '../base/random.ts'

const LINE_COUNT = 2048 // A power of two.
const SEED = 20_260_101
const LINES_PER_SECOND = 4096
const SECONDS_PER_DAY = 86_400
const NUMBER_DIGITS = 11
const TAIL_TAG = ' vltava-demo/1 '
/** Tag, thread, '-', number, '"'. */
const TAIL_BYTES = TAIL_TAG.length + 1 + 1 + NUMBER_DIGITS + 1
export const DEMO_THREADS_MAX = 10

const DIGIT_0 = 48
const PATHS = ['/', '/products/', '/cart', '/search?q=', '/api/orders/', '/static/app.js', '/images/', '/login']
const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64)',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64)',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 14_2)',
  'curl/8.5.0',
]
const STATUSES = [200, 200, 200, 200, 200, 200, 301, 304, 404, 500]

interface Line {
  readonly bytes: Buffer
  /** Where HH:MM:SS stands. */
  readonly timePosition: number
}

export class AccessLog {
  readonly #lines: readonly Line[]
  /** HH:MM:SS of #second: many lines in a row have the same. */
  readonly #time = new TextEncoder().encode('00:00:00')
  #second = 0

  constructor() {
    const random = new SeededRandom(SEED)
    this.#lines = Array.from({ length: LINE_COUNT }, () => prepareLine(random))
  }

  /** Line `number`, below 2^31, of `thread`, 0 to 9. The bytes are valid until the next call. */
  line(thread: number, number: number): Buffer {
    const { bytes, timePosition } = this.#lines[lineIndex(thread, number)]!
    const second = ((number / LINES_PER_SECOND) | 0) % SECONDS_PER_DAY
    if (second !== this.#second) writeTime(this.#time, 0, second)
    this.#second = second
    for (let i = 0; i < this.#time.length; i++) bytes[timePosition + i] = this.#time[i]!
    const end = bytes.length - 1
    writeDigits(bytes, end - NUMBER_DIGITS, NUMBER_DIGITS, number)
    bytes[end - NUMBER_DIGITS - 2] = DIGIT_0 + thread
    return bytes
  }
}

/** Thread and number of a line of the demo, or undefined if the bytes are none. */
export function identifyLine(
  bytes: Uint8Array,
  position: number,
  length: number,
): { readonly thread: number; readonly number: number } | undefined {
  const end = position + length
  const tail = end - TAIL_BYTES
  if (tail < position) return undefined
  for (let i = 0; i < TAIL_TAG.length; i++) if (bytes[tail + i] !== TAIL_TAG.charCodeAt(i)) return undefined
  const thread = bytes[tail + TAIL_TAG.length]! - DIGIT_0
  let number = 0
  for (let i = end - 1 - NUMBER_DIGITS; i < end - 1; i++) {
    const digit = bytes[i]! - DIGIT_0
    if (digit < 0 || digit > 9) return undefined
    number = number * 10 + digit
  }
  return thread >= 0 && thread < DEMO_THREADS_MAX ? { thread, number } : undefined
}

function prepareLine(random: SeededRandom): Line {
  const pick = <T>(choices: readonly T[]): T => choices[randomBelow(random, choices.length)]!
  const address = `203.0.113.${randomBelow(random, 256)}`
  const path = pick(PATHS)
  const target = /[/=]$/.test(path) && path !== '/' ? `${path}${randomBelow(random, 1000)}` : path
  const request = `"${random.next() < 0.85 ? 'GET' : 'POST'} ${target} HTTP/1.1"`
  const before = `${address} - - [01/Jan/2026:`
  const after = ` +0000] ${request} ${pick(STATUSES)} ${randomBelow(random, 60_000)}`
  const tail = `${TAIL_TAG}0-${'0'.repeat(NUMBER_DIGITS)}"`
  const text = `${before}00:00:00${after} "https://shop.example/" "${pick(AGENTS)}${tail}`
  return { bytes: Buffer.from(text), timePosition: before.length }
}

/** Spreads neighbouring numbers over all prepared lines. */
function lineIndex(thread: number, number: number): number {
  return (Math.imul((number + thread * 7919) | 0, 0x9e37_79b1) >>> 16) & (LINE_COUNT - 1)
}

function writeTime(bytes: Uint8Array, position: number, second: number): void {
  writeDigits(bytes, position, 2, Math.floor(second / 3600))
  writeDigits(bytes, position + 3, 2, Math.floor(second / 60) % 60)
  writeDigits(bytes, position + 6, 2, second % 60)
}

function writeDigits(bytes: Uint8Array, position: number, digits: number, value: number): void {
  let rest = value
  for (let i = position + digits - 1; i >= position; i--) {
    const next = (rest / 10) | 0
    bytes[i] = DIGIT_0 + (rest - next * 10)
    rest = next
  }
}
