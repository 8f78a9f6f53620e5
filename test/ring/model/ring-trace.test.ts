/**
 * Binds the model to the code: the same calls on both make the same accesses to shared memory, in the same order, at
 * the same places, with the same values. Whoever changes a step of src/ring/spsc.ts changes the model too, and has it
 * explored again.
 */
import { expect, it } from 'vitest'
import { DATA_POSITION } from '../../../src/ring/layout.ts'
import { createRing, FULL, RingReader, RingWriter } from '../../../src/ring/spsc.ts'
import { mulberry32, testSeed } from '../../random.ts'
import { runAlone, type Steps } from './explore.ts'
import { type HandlerModel, ReaderModel, readWord, RingMemory, WriterModel, writeWord } from './ring-model.ts'
import { recordRing } from './trace.ts'

const CAPACITY = 64

/** One call, made on the real ring and on the model. Both return what the caller sees. */
interface Call {
  readonly name: string
  readonly real: (writer: RingWriter, reader: RingReader) => number
  readonly model: (writer: WriterModel, reader: ReaderModel) => Steps<number>
}

function claimAnd(end: 'publish' | 'abort', type: number, length: number): Call {
  return {
    name: `claim ${length}, ${end}`,
    real: (writer) => {
      const position = writer.claim(type, length)
      if (position === FULL) return FULL
      for (let at = 0; at < length; at += 4) writer.view.setUint32(position + at, type + at, true)
      writer[end]()
      return position - DATA_POSITION
    },
    *model(writer) {
      const position = yield* writer.claim(type, length)
      if (position === FULL) return FULL
      for (let at = 0; at < length; at += 4) yield* writeWord(writer.memory, position + at, type + at)
      if (end === 'publish') yield* writer.publish()
      else writer.abort()
      return position
    },
  }
}

/** The handler reads all of the payload, and throws after frames of `throwsAtType`. */
function poll(frameCountMax: number, throwsAtType?: number): Call {
  const failure = new Error('handler failed')
  return {
    name: `poll ${frameCountMax}${throwsAtType === undefined ? '' : `, throws at ${throwsAtType}`}`,
    real: (_writer, reader) => {
      let frameCount = 0
      const handler = (type: number, position: number, length: number): void => {
        frameCount += 1
        for (let at = 0; at < length; at += 4) reader.view.getUint32(position + at, true)
        if (type === throwsAtType) throw failure
      }
      try {
        expect(reader.poll(handler, frameCountMax)).toBe(frameCount)
      } catch (error) {
        if (error !== failure) throw error
      }
      return frameCount
    },
    *model(_writer, reader) {
      const handler: HandlerModel = function* (type, position, length, live) {
        for (let at = 0; at < length; at += 4) yield* readWord(reader.memory, position + at, live)
        return type === throwsAtType
      }
      return yield* reader.poll(handler, frameCountMax)
    },
  }
}

const CALLS: readonly Call[] = [
  claimAnd('publish', 1000, 24),
  claimAnd('publish', 2000, 8),
  claimAnd('publish', 3000, 0),
  claimAnd('abort', 4000, 16),
  poll(1),
  poll(8, 2000),
  claimAnd('publish', 5000, 12),
  poll(2),
  { name: 'freeBytes', real: (writer) => writer.freeBytes(), model: (writer) => writer.freeBytes() },
  {
    name: 'hasFrames',
    real: (_writer, reader) => Number(reader.hasFrames()),
    *model(_writer, reader) {
      return Number(yield* reader.hasFrames())
    },
  },
]

function compare(calls: readonly Call[], startPosition: number, context: string): void {
  const ring = createRing(CAPACITY, startPosition)
  const [writer, reader] = [new RingWriter(ring), new RingReader(ring)]
  const memory = new RingMemory(CAPACITY, startPosition)
  const words = new DataView(ring)
  for (let at = 0; at < CAPACITY; at += 4) words.setUint32(DATA_POSITION + at, memory.words[at / 4]!, true)
  const [writerModel, readerModel] = [new WriterModel(memory), new ReaderModel(memory)]

  for (const call of calls) {
    const seen: number[] = []
    const real = recordRing(() => seen.push(call.real(writer, reader)))
    const { result, operations } = runAlone(call.model(writerModel, readerModel))
    expect([...real, ...seen], `${context} startPosition=${startPosition} ${call.name}`).toEqual([
      ...operations,
      result,
    ])
  }
}

it('model and code make the same accesses in every sequence of four calls', () => {
  const calls = CALLS.slice(0, 6)
  for (let sequence = 0; sequence < calls.length ** 4; sequence++) {
    const chosen = [0, 1, 2, 3].map((place) => calls[Math.floor(sequence / calls.length ** place) % calls.length]!)
    compare(chosen, 0x1_0000_0000 - 40, chosen.map(({ name }) => name).join('; '))
  }
})

it('model and code make the same accesses in long random sequences, at every alignment of the wrap', () => {
  const seed = testSeed()
  const random = mulberry32(seed)
  for (let startPosition = 0x1_0000_0000 - CAPACITY; startPosition < 0x1_0000_0000; startPosition += 8) {
    const calls = Array.from({ length: 100 }, () => CALLS[Math.floor(random() * CALLS.length)]!)
    compare(calls, startPosition, `SEED=${seed}`)
  }
})
