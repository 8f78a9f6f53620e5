import { expect, expectTypeOf, it } from 'vitest'
import type { Consumer, Log, Producer, Serde } from '../../src/index.ts'

// Checked by `npm run check` (types of the tests); at run time there is nothing to call.
declare const log: Log

function typesOfSerdes(): void {
  expectTypeOf(log.producer()).toEqualTypeOf<Producer<Uint8Array, Uint8Array>>()
  expectTypeOf(log.producer({ value: 'json' })).toEqualTypeOf<Producer<Uint8Array, unknown>>()
  expectTypeOf(log.producer({ key: 'string', value: 'string', acks: 1 })).toEqualTypeOf<Producer<string, string>>()
  expectTypeOf(log.consumer({ value: 'string' })).toEqualTypeOf<Consumer<Uint8Array, string>>()
  const dates: Serde<Date> = {
    name: 'date',
    serialize: (date) => Buffer.from(String(date)),
    deserialize: () => new Date(),
  }
  expectTypeOf(log.producer({ value: dates })).toEqualTypeOf<Producer<Uint8Array, Date>>()
  expectTypeOf(log.producer<Uint8Array, string>({ value: 'string' })).toEqualTypeOf<Producer<Uint8Array, string>>()
  // @ts-expect-error a string needs a serde: a mistake that the compiler finds
  log.producer().append('topic', 'text')
}

it('gives keys and values the types of the serdes that were chosen', () => {
  expect(typesOfSerdes).toBeTypeOf('function')
})
