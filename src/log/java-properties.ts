/**
 * Java's `.properties` text, as far as java.util.Properties reads it: comments, `=` `:` or blanks between key and
 * value, lines continued with a backslash, escapes. Latin-1; anything else is a `\uXXXX` escape.
 */
import { VltavaError } from '../base/errors.ts'

const ESCAPES: Record<string, string> = { t: '\t', n: '\n', r: '\r', f: '\f' }
const LETTERS: Record<string, string> = { '\t': 't', '\n': 'n', '\r': 'r', '\f': 'f' }

/** As in Java the last of several equal keys counts. Throws DIRECTORY_CORRUPT, naming `path`, for a bad escape. */
export function parseJavaProperties(bytes: Uint8Array, path: string): Map<string, string> {
  const properties = new Map<string, string>()
  for (const line of logicalLines(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))) {
    const keyEnd = endOfKey(line)
    // Blanks, at most one separator, blanks.
    const value = line.slice(keyEnd).replace(/^[ \t\f]*[=:]?[ \t\f]*/, '')
    properties.set(unescape(line.slice(0, keyEnd), path), unescape(value, path))
  }
  return properties
}

/** One line for each pair, in the order given. */
export function formatJavaProperties(properties: Iterable<readonly [key: string, value: string]>): Uint8Array {
  let text = ''
  for (const [key, value] of properties) {
    // Of a value only leading blanks need an escape, of a key all of them.
    const escapedKey = escape(key).replaceAll(' ', '\\ ')
    const escapedValue = escape(value).replace(/^ +/, (blanks) => '\\ '.repeat(blanks.length))
    text += `${escapedKey}=${escapedValue}\n`
  }
  return Buffer.from(text, 'latin1')
}

/** Lines without comments and blank ones, continuations joined, leading blanks removed, escapes still in place. */
function logicalLines(text: string): string[] {
  const lines: string[] = []
  let continued: string | undefined
  for (const natural of text.split(/\r\n|\r|\n/)) {
    const line: string = natural.replace(/^[ \t\f]+/, '')
    if (continued === undefined && (line === '' || line.startsWith('#') || line.startsWith('!'))) continue
    const joined: string = (continued ?? '') + line
    const backslashCount = line.length - line.replace(/\\+$/, '').length
    if (backslashCount % 2 === 1) continued = joined.slice(0, -1)
    else {
      lines.push(joined)
      continued = undefined
    }
  }
  if (continued !== undefined && continued !== '') lines.push(continued)
  return lines
}

function endOfKey(line: string): number {
  for (let index = 0; index < line.length; index++) {
    const character = line[index]!
    if (character === '\\') index += 1
    else if ('=: \t\f'.includes(character)) return index
  }
  return line.length
}

function unescape(text: string, path: string): string {
  return text.replace(/\\(?:u(.{0,4})|([^]?))/g, (escaped: string, hex: string | undefined, character: string) => {
    if (hex === undefined) return ESCAPES[character] ?? character
    if (/^[0-9a-fA-F]{4}$/.test(hex)) return String.fromCharCode(parseInt(hex, 16))
    throw new VltavaError('DIRECTORY_CORRUPT', `${path} has a malformed escape ${JSON.stringify(escaped)}`)
  })
}

function escape(text: string): string {
  return text.replace(/[\\=:#!]|[^\x20-\x7e]/g, (character) => {
    const letter = LETTERS[character]
    if (letter !== undefined) return `\\${letter}`
    const code = character.charCodeAt(0)
    if (code >= 0x20 && code <= 0x7e) return `\\${character}`
    return `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`
  })
}
