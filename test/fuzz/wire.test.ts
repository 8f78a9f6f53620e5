/**
 * Messages of the wire protocol that were damaged at random. Properties: decoding gives a message or a WireFormatError;
 * what it gives can be encoded, but for a WireFormatError where a value was only approximately known; and what was
 * encoded so decodes to itself, byte for byte.
 */
import { expect, it } from 'vitest'
import { apiOf } from '../../src/protocol/messages/apis.ts'
import { WireFormatError } from '../../src/protocol/wire/wire-error.ts'
import { WireReader } from '../../src/protocol/wire/wire-reader.ts'
import { WireWriter } from '../../src/protocol/wire/wire-writer.ts'
import { messageLines, type MessageLine } from '../protocol/messages/kafka-messages.ts'
import { mulberry32, testSeed } from '../random.ts'
import { type Draw, FUZZ_SCALE, mutate } from './mutations.ts'

const seed = testSeed()

function decode({ api, direction, version }: MessageLine, bytes: Uint8Array): Record<string, unknown> {
  return apiOf(api)![direction].read(new WireReader(bytes), version)
}

function encode({ api, direction, version }: MessageLine, value: Record<string, unknown>): Uint8Array {
  const writer = new WireWriter()
  apiOf(api)![direction].write(writer, version, value)
  return writer.finish()
}

/** undefined for a WireFormatError, which is an answer too. */
function unlessRefused<T>(context: string, body: () => T): T | undefined {
  try {
    return body()
  } catch (error) {
    if (error instanceof WireFormatError) return undefined
    throw new Error(context, { cause: error })
  }
}

it(`damaged messages are messages, or are refused (SEED=${seed})`, () => {
  const random = mulberry32(seed)
  const draw: Draw = (limit) => Math.floor(random() * limit)
  const counts = { refused: 0, decoded: 0, encoded: 0 }
  for (let round = 0; round < 4 * FUZZ_SCALE; round++) {
    for (const line of messageLines) {
      const bytes = mutate(Buffer.from(line.bytes, 'base64'), draw)
      const hex = Buffer.from(bytes).toString('hex')
      const context = `SEED=${seed} api=${line.api} ${line.direction} version=${line.version} ${hex}`
      const value = unlessRefused(context, () => decode(line, bytes))
      counts[value === undefined ? 'refused' : 'decoded'] += 1
      const again = value && unlessRefused(context, () => encode(line, value))
      if (again === undefined) continue
      counts.encoded += 1
      expect(Buffer.compare(encode(line, decode(line, again)), again), context).toBe(0)
    }
  }
  expect(Math.min(counts.refused, counts.encoded)).toBeGreaterThan(1000)
  expect(counts.encoded).toBeGreaterThan(counts.decoded / 2)
})
