/**
 * How `vltava consume` prints a record: `--format` as kcat has it, or JSON. @hot
 *
 *   %t topic   %p partition   %o offset   %T timestamp, ms   %k key   %v %s value   %h headers   %% a percent sign
 *   %K %S length of key and value in bytes, -1 if it is null; a null key or value itself prints nothing
 *   \n \t \r \0 \\ \xHH
 */
import { isUtf8 } from 'node:buffer'
import type { ConsumerBatch, RecordCursor } from '../index.ts'
import type { ByteSink } from './byte-sink.ts'
import { UsageError } from './command.ts'

/** Appends the record that `cursor` is at. */
export type RecordPrinter = (sink: ByteSink, batch: ConsumerBatch, cursor: RecordCursor) => void

type Field = 't' | 'p' | 'o' | 'T' | 'k' | 'v' | 'h' | 'K' | 'S'
type Part = Buffer | Field

const FIELDS: Readonly<Record<string, Field>> = {
  t: 't',
  p: 'p',
  o: 'o',
  T: 'T',
  k: 'k',
  v: 'v',
  s: 'v',
  h: 'h',
  K: 'K',
  S: 'S',
}
const ESCAPES: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, '0': 0, '\\': 92 }

/** Throws UsageError for an unknown escape or field. */
export function compileFormat(format: string): RecordPrinter {
  const parts = parseFormat(format)
  return (sink, batch, cursor) => {
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!
      if (typeof part !== 'string') sink.bytes(part, 0, part.length)
      else printField(part, sink, batch, cursor)
    }
  }
}

/** The bytes that a text with escapes stands for. Throws UsageError. */
export function parseEscapes(text: string, what: string): Buffer {
  const bytes: number[] = []
  for (let i = 0; i < text.length;) {
    if (text[i] !== '\\') {
      const character = String.fromCodePoint(text.codePointAt(i)!)
      bytes.push(...Buffer.from(character, 'utf8'))
      i += character.length
      continue
    }
    const hex = /^\\x([0-9a-fA-F]{2})/.exec(text.slice(i, i + 4))
    const known = ESCAPES[text[i + 1] ?? '']
    if (hex !== null) bytes.push(Number.parseInt(hex[1]!, 16))
    else if (known !== undefined) bytes.push(known)
    else throw new UsageError(`${what}: unknown escape '${text.slice(i, i + 2)}'; known are \\n \\t \\r \\0 \\\\ \\xHH`)
    i += hex === null ? 2 : 4
  }
  return Buffer.from(bytes)
}

function parseFormat(format: string): Part[] {
  const parts: Part[] = []
  for (const piece of format.match(/%[^]?|[^%]+/g) ?? []) {
    if (!piece.startsWith('%')) {
      parts.push(parseEscapes(piece, '--format'))
      continue
    }
    const field = Object.hasOwn(FIELDS, piece.slice(1)) ? FIELDS[piece.slice(1)] : undefined
    if (piece === '%%') parts.push(Buffer.from('%'))
    else if (field !== undefined) parts.push(field)
    else throw new UsageError(`--format: unknown field '${piece}'; known are %t %p %o %T %k %v %s %h %K %S %%`)
  }
  return parts
}

function printField(field: Field, sink: ByteSink, batch: ConsumerBatch, cursor: RecordCursor): void {
  switch (field) {
    case 'v':
      if (cursor.valueLength > 0) sink.bytes(cursor.bytes, cursor.valuePosition, cursor.valueLength)
      return
    case 'k':
      if (cursor.keyLength > 0) sink.bytes(cursor.bytes, cursor.keyPosition, cursor.keyLength)
      return
    case 't':
      return sink.text(batch.topic)
    case 'p':
      return sink.text(String(batch.partition))
    case 'o':
      return sink.text(String(batch.baseOffset + cursor.offsetDelta))
    case 'T':
      return sink.text(String(timestampOf(batch, cursor)))
    case 'K':
      return sink.text(String(cursor.keyLength))
    case 'S':
      return sink.text(String(cursor.valueLength))
    case 'h':
      return printHeaders(sink, cursor)
  }
}

/** `name=value,name=value`; the bytes of a value as they are. */
function printHeaders(sink: ByteSink, cursor: RecordCursor): void {
  for (const [index, [name, value]] of cursor.headers().entries()) {
    sink.text(`${index === 0 ? '' : ','}${name}=`)
    if (value !== null) sink.bytes(value, 0, value.length)
  }
}

/** One JSON object on a line for each record. Bytes that are not UTF-8 become { "base64": ... }. */
export function printJson(sink: ByteSink, batch: ConsumerBatch, cursor: RecordCursor): void {
  sink.text(
    `${JSON.stringify({
      topic: batch.topic,
      partition: batch.partition,
      offset: batch.baseOffset + cursor.offsetDelta,
      timestamp: timestampOf(batch, cursor),
      key: rangeAsJson(cursor.bytes, cursor.keyPosition, cursor.keyLength),
      value: rangeAsJson(cursor.bytes, cursor.valuePosition, cursor.valueLength),
      headers: cursor.headers().map(([key, value]) => ({ key, value: bytesAsJson(value) })),
    })}\n`,
  )
}

function rangeAsJson(bytes: Uint8Array, position: number, length: number): string | { base64: string } | null {
  return length < 0 ? null : bytesAsJson(bytes.subarray(position, position + length))
}

/** Text where the bytes are UTF-8. */
export function bytesAsJson(bytes: Uint8Array | null): string | { base64: string } | null {
  if (bytes === null) return null
  const copy = Buffer.from(bytes) // They may lie in shared memory, which isUtf8() does not take.
  return isUtf8(copy) ? copy.toString('utf8') : { base64: copy.toString('base64') }
}

function timestampOf(batch: ConsumerBatch, cursor: RecordCursor): number {
  return batch.isLogAppendTime ? batch.maxTimestamp : batch.baseTimestamp + cursor.timestampDelta
}
