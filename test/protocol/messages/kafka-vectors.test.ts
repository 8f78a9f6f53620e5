/**
 * Messages that Kafka's own classes wrote (test/fixtures/protocol), in every version of every API: their bytes decode
 * to the values that Kafka has, defaults of absent fields included, and the values encode to the same bytes.
 */
import { describe, expect, it } from 'vitest'
import { APIS } from '../../../src/protocol/messages/apis.ts'
import { type Api, expectEnd } from '../../../src/protocol/wire/api.ts'
import {
  readRequestHeader,
  readResponseHeader,
  writeRequestHeader,
  writeResponseHeader,
} from '../../../src/protocol/wire/headers.ts'
import { WireFormatError } from '../../../src/protocol/wire/wire-error.ts'
import { WireReader } from '../../../src/protocol/wire/wire-reader.ts'
import { WireWriter } from '../../../src/protocol/wire/wire-writer.ts'
import { mulberry32, testSeed } from '../../random.ts'
import {
  aloneLines,
  apiLines,
  CORRELATION_ID,
  type Direction,
  type MessageLine,
  MESSAGES_EACH,
  messageLines,
} from './kafka-messages.ts'

const seed = testSeed()

/** Decoded values in the form of the fixture: bytes in base64. */
function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) return value.map(comparable)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, comparable(each)]))
}

function decode(api: Api, { direction, version }: MessageLine, bytes: Uint8Array): Record<string, unknown> {
  const reader = new WireReader(bytes)
  const value = api[direction].read(reader, version)
  expectEnd(reader, api.name)
  return value
}

function encode(api: Api, direction: Direction, version: number, value: Record<string, unknown>): string {
  const writer = new WireWriter()
  api[direction].write(writer, version, value)
  return Buffer.from(writer.finish()).toString('base64')
}

it('the APIs, their versions and the first flexible ones are those of Kafka 4.3.1', () => {
  const ours = APIS.map(({ key, name, firstVersion, lastVersion, flexibleSince }) => ({
    api: key,
    name,
    versions: [firstVersion, lastVersion],
    flexibleSince: flexibleSince === Infinity ? null : flexibleSince,
  }))
  expect(ours).toEqual(apiLines)
})

describe.each(APIS.map((api) => [api.name, api] as const))('%s', (_name, api) => {
  const messages = messageLines.filter((line) => line.api === api.key)

  it('has messages of every version, both ways', () => {
    expect(messages.length).toBe((api.lastVersion - api.firstVersion + 1) * 2 * MESSAGES_EACH)
  })

  it('decodes to the values that Kafka has, and encodes to its bytes', () => {
    for (const line of messages) {
      const { direction, version, bytes, values } = line
      const what = `${direction} version ${version} ${bytes}`
      const decoded = decode(api, line, Buffer.from(bytes, 'base64'))
      expect(comparable(decoded), what).toEqual(values)
      expect(encode(api, direction, version, decoded), what).toBe(bytes)
    }
  })

  it('takes each field alone in the versions in which Kafka does', () => {
    for (const { direction, alone, frames } of aloneLines.filter((line) => line.api === api.key)) {
      expect(frames.length).toBe(api.lastVersion - api.firstVersion + 1)
      for (const [index, frame] of frames.entries()) {
        const version = api.firstVersion + index
        const what = `${direction} version ${version} ${JSON.stringify(alone)}`
        if (frame === null) expect(() => encode(api, direction, version, alone), what).toThrow(WireFormatError)
        else expect(encode(api, direction, version, alone), what).toBe(frame)
      }
    }
  })

  it('has its headers', () => {
    for (const { direction, version, header } of messages) {
      const what = `${direction} version ${version}`
      const [reader, writer] = [new WireReader(Buffer.from(header, 'base64')), new WireWriter()]
      if (direction === 'request') {
        const expected = { apiKey: api.key, apiVersion: version, correlationId: CORRELATION_ID, clientId: 'řeka' }
        expect(readRequestHeader(reader, api, version), what).toEqual(expected)
        writeRequestHeader(writer, api, expected)
      } else {
        expect(readResponseHeader(reader, api, version), what).toBe(CORRELATION_ID)
        writeResponseHeader(writer, api, version, CORRELATION_ID)
      }
      expect(reader.remainingBytes, what).toBe(0)
      expect(Buffer.from(writer.finish()).toString('base64'), what).toBe(header)
    }
  })

  it(`cut anywhere, or with a byte changed, is a WireFormatError or a message (SEED=${seed})`, () => {
    const random = mulberry32(seed + api.key)
    for (const line of messages) {
      const frame = Buffer.from(line.bytes, 'base64')
      const complete = [...frame.keys()].filter((length) => isMessage(api, line, frame.subarray(0, length)))
      expect(complete, line.bytes).toEqual([])
      for (let i = 0; i < 20 && frame.length > 0; i++) {
        const mutant = Buffer.from(frame)
        mutant[Math.floor(random() * frame.length)] = Math.floor(random() * 256)
        isMessage(api, line, mutant)
      }
    }
  })
})

function isMessage(api: Api, line: MessageLine, bytes: Uint8Array): boolean {
  try {
    decode(api, line, bytes)
    return true
  } catch (error) {
    if (error instanceof WireFormatError) return false
    throw new Error(`SEED=${seed} ${Buffer.from(bytes).toString('hex')}`, { cause: error })
  }
}

it('nothing in the fixture is left over, and this is how much there was', () => {
  const versions = APIS.reduce((sum, { firstVersion, lastVersion }) => sum + lastVersion - firstVersion + 1, 0)
  const frames = aloneLines.flatMap((line) => line.frames)
  const refused = frames.filter((frame) => frame === null)
  console.log(
    `protocol vectors: ${APIS.length} APIs, ${versions} versions, ${messageLines.length} messages both ways;`,
    `${aloneLines.length} fields alone, ${frames.length - refused.length} frames, ${refused.length} refusals`,
  )
  expect(messageLines.length).toBe(versions * 2 * MESSAGES_EACH)
  expect(new Set(aloneLines.map((line) => line.api))).toEqual(new Set(APIS.map((api) => api.key)))
})
