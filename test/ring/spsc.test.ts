import { describe, expect, it } from 'vitest'
import { CAPACITY_I32, DATA_POSITION, HEAD_I32, PADDING, TAIL_I32, VERSION_I32 } from '../../src/ring/layout.ts'
import { createRing, FULL, RingReader, RingWriter } from '../../src/ring/spsc.ts'
import { mulberry32, testSeed } from '../random.ts'

const TWO_POW_32 = 0x1_0000_0000

function createEnds(capacityBytes: number, startPosition = 0) {
  const ring = createRing(capacityBytes, startPosition)
  return { ring, control: new Int32Array(ring), writer: new RingWriter(ring), reader: new RingReader(ring) }
}

function send(writer: RingWriter, type: number, length: number): boolean {
  const position = writer.claim(type, length)
  if (position === FULL) return false
  writer.bytes.fill(type, position, position + length)
  writer.publish()
  return true
}

function receive(reader: RingReader, frameCountMax = Infinity): string[] {
  const frames: string[] = []
  reader.poll((type, position, length) => {
    const isWhole = reader.bytes.subarray(position, position + length).every((byte) => byte === (type & 0xff))
    frames.push(`${type}:${length}${isWhole ? '' : ' torn'}`)
  }, frameCountMax)
  return frames
}

describe('frames', () => {
  it('stay in order and whole, at every wrap of the ring and of the positions, for a random mix of lengths', () => {
    const seed = testSeed()
    const random = mulberry32(seed)
    const { writer, reader } = createEnds(256, TWO_POW_32 - 8 * Math.floor(random() * 1000) - 8)
    const model: string[] = []
    let [fullCount, frameCount] = [0, 0]
    for (let step = 0; step < 20_000; step++) {
      if (random() < 0.6) {
        const length = Math.floor(random() * 121)
        if (send(writer, length, length)) model.push(`${length}:${length}`)
        else fullCount += 1
      } else {
        expect(reader.hasFrames(), `SEED=${seed} step=${step}`).toBe(model.length > 0)
        const frameCountMax = Math.floor(random() * 4)
        const frames = receive(reader, frameCountMax)
        expect(frames, `SEED=${seed} step=${step}`).toEqual(model.splice(0, frameCountMax))
        frameCount += frames.length
      }
    }
    expect(fullCount).toBeGreaterThan(100)
    expect(frameCount).toBeGreaterThan(1000)
  })

  it('begin their payload at a multiple of 8, and the view reads what bytes wrote', () => {
    const { writer, reader } = createEnds(256)
    for (const length of [1, 2, 3, 9, 17]) {
      const position = writer.claim(length, length)
      expect(position % 8).toBe(0)
      writer.view.setUint8(position, length)
      writer.publish()
    }
    let frameCount = 0
    reader.poll((type, position) => {
      expect(position % 8).toBe(0)
      expect([reader.bytes[position], reader.view.getUint8(position)]).toEqual([type, type])
      frameCount += 1
    }, 10)
    expect(frameCount).toBe(5)
  })

  it('may be changed in place by the reader while it handles them', () => {
    const { writer, reader } = createEnds(64)
    send(writer, 7, 8)
    reader.poll((_type, position) => reader.view.setUint32(position, 0xffffffff), 1)
    expect(send(writer, 8, 24)).toBe(true)
    expect(receive(reader)).toEqual(['8:24'])
  })

  it('carry any u32 as type', () => {
    const { writer, reader } = createEnds(64)
    for (const type of [0, 1, PADDING]) {
      send(writer, type, 0)
      expect(receive(reader)).toEqual([`${type}:0`])
    }
  })
})

describe('a claim', () => {
  it('is FULL without a trace until the reader has released the room, and succeeds after', () => {
    const { writer, reader, control } = createEnds(64)
    expect([send(writer, 1, 24), send(writer, 2, 24)]).toEqual([true, true])
    const tail = control[TAIL_I32]
    expect(writer.claim(3, 0)).toBe(FULL)
    expect(writer.claim(3, 0)).toBe(FULL)
    expect(control[TAIL_I32]).toBe(tail)
    expect(receive(reader, 1)).toEqual(['1:24'])
    expect(send(writer, 3, 0)).toBe(true)
    expect(receive(reader)).toEqual(['2:24', '3:0'])
  })

  it('of the longest payload succeeds in an empty ring at every alignment', () => {
    for (let startPosition = 0; startPosition < 128; startPosition += 8) {
      const { writer, reader } = createEnds(128, startPosition)
      expect(writer.payloadBytesMax).toBe(56)
      expect(send(writer, 1, 56)).toBe(true)
      expect(receive(reader)).toEqual(['1:56'])
    }
  })

  it('given up is never seen, and the next one takes its place', () => {
    const { writer, reader } = createEnds(64, 40)
    const position = writer.claim(1, 24) // 24 bytes to the end: padding, which is given up too.
    writer.bytes.fill(1, position, position + 24)
    writer.abort()
    expect(reader.hasFrames()).toBe(false)
    expect(writer.freeBytes()).toBe(64)
    expect(send(writer, 2, 4)).toBe(true)
    expect(receive(reader)).toEqual(['2:4'])
  })

  it('is invisible until it is published', () => {
    const { writer, reader } = createEnds(64)
    writer.claim(1, 8)
    expect(reader.hasFrames()).toBe(false)
    expect(receive(reader)).toEqual([])
    writer.publish()
    expect(reader.hasFrames()).toBe(true)
    expect(receive(reader)).toHaveLength(1)
  })

  it('is one at a time, of a valid type and a length that fits half the ring', () => {
    const { writer } = createEnds(64)
    for (const length of [-1, 25, 0.5, NaN, 2 ** 31, 2 ** 32 - 8, Infinity]) {
      expect(() => writer.claim(1, length), `length=${length}`).toThrow('frame fits half the ring')
    }
    for (const type of [-1, 0.5, NaN, 2 ** 32]) {
      expect(() => writer.claim(type, 1), `type=${type}`).toThrow('frame type is a u32')
    }
    expect(() => writer.publish()).toThrow('a claim is open')
    expect(() => writer.abort()).toThrow('a claim is open')
    writer.claim(1, 24)
    expect(() => writer.claim(1, 24)).toThrow('one claim is open at a time')
  })
})

describe('freeBytes', () => {
  it('counts what is neither published and unread nor claimed, padding included', () => {
    const { writer, reader } = createEnds(64, 40)
    expect(writer.freeBytes()).toBe(64)
    writer.claim(1, 24)
    expect(writer.freeBytes()).toBe(64 - 24 - 32)
    writer.publish()
    expect(writer.freeBytes()).toBe(64 - 24 - 32)
    receive(reader)
    expect(writer.freeBytes()).toBe(64)
  })
})

describe('a handler that throws', () => {
  it('consumes its own frame and the ones before it, and leaves the ones behind it', () => {
    const { writer, reader } = createEnds(128)
    for (const type of [1, 2, 3]) send(writer, type, 8)
    const handled: number[] = []
    const failing = (): number =>
      reader.poll((type) => {
        handled.push(type)
        if (type === 2) throw new Error('handler failed')
      }, 10)
    expect(failing).toThrow('handler failed')
    expect(writer.freeBytes()).toBe(128 - 16)
    expect(failing()).toBe(1)
    expect(handled).toEqual([1, 2, 3])
  })

  it('keeps the space of its frame from the writer until poll has ended', () => {
    const { writer, reader } = createEnds(64)
    send(writer, 1, 24)
    send(writer, 2, 24)
    let during = 0
    expect(() =>
      reader.poll(() => {
        during = writer.freeBytes()
        throw new Error('handler failed')
      }, 10),
    ).toThrow('handler failed')
    expect(during).toBe(0)
    expect(writer.freeBytes()).toBe(32)
  })
})

describe('a poll', () => {
  it('is not called from inside its handler, and works again after that', () => {
    const { writer, reader } = createEnds(64)
    send(writer, 1, 0)
    send(writer, 2, 0)
    expect(() => reader.poll(() => receive(reader), 10)).toThrow('poll is not called from inside its handler')
    expect(receive(reader)).toEqual(['2:0'])
  })

  it('hands out nothing when asked for nothing', () => {
    const { writer, reader } = createEnds(64)
    send(writer, 1, 0)
    expect(receive(reader, 0)).toEqual([])
    expect(reader.hasFrames()).toBe(true)
  })

  it('tells a handler whether more frames are behind its own', () => {
    const { writer, reader } = createEnds(64)
    send(writer, 1, 0)
    send(writer, 2, 0)
    const more: boolean[] = []
    reader.poll(() => more.push(reader.hasFrames()), 10)
    expect(more).toEqual([true, false])
  })

  it('ends in an assertion, not in a loop or a wild frame, when the shared words are scribbled over', () => {
    for (const [length, what] of [
      [25, 'frame fits half the ring'],
      [0x7fffffff, 'frame fits half the ring'],
      [0xfffffff8, 'frame fits half the ring'],
      [24, 'frame ends inside the published bytes'],
      [PADDING, 'frame ends inside the published bytes'],
    ] as const) {
      const { writer, reader } = createEnds(64)
      send(writer, 1, 0)
      writer.view.setUint32(DATA_POSITION, length, true)
      expect(() => receive(reader), `length=${length}`).toThrow(what)
      expect(() => receive(reader), 'and again').toThrow(what)
    }
    const { writer, reader } = createEnds(64, 40)
    send(writer, 1, 24)
    writer.view.setUint32(DATA_POSITION + 40, 24, true) // Over the padding: a frame that leaves the data region.
    expect(() => receive(reader)).toThrow('frame is not split across the end')
  })

  it('and a claim end in an assertion when the other side moved its word out of the ring', () => {
    const { writer, reader, control } = createEnds(64)
    control[TAIL_I32] = 72
    expect(() => receive(reader)).toThrow('published bytes fit the ring')
    control[HEAD_I32] = 8
    expect(() => writer.freeBytes()).toThrow('head is at most one ring behind the tail')
  })
})

describe('attaching', () => {
  it('takes up the positions of a ring that has been in use', () => {
    const { ring, writer } = createEnds(64, TWO_POW_32 - 16)
    send(writer, 1, 0)
    send(writer, 2, 4)
    expect(receive(new RingReader(ring), 1)).toEqual(['1:0'])
    expect(receive(new RingReader(ring))).toEqual(['2:4'])
    const second = new RingWriter(ring)
    expect(second.freeBytes()).toBe(64)
    send(second, 3, 16)
    expect(receive(new RingReader(ring))).toEqual(['3:16'])
  })

  it.each([
    ['version', (control: Int32Array) => (control[VERSION_I32] = 99), 'ring layout version matches'],
    ['capacity', (control: Int32Array) => (control[CAPACITY_I32] = 128), 'ring capacity matches the length'],
    ['capacity', (control: Int32Array) => (control[CAPACITY_I32] = 96), 'ring capacity is a power of two'],
    ['tail', (control: Int32Array) => (control[TAIL_I32] = 72), 'published bytes fit the ring'],
    ['head', (control: Int32Array) => (control[HEAD_I32] = 8), 'published bytes fit the ring'],
    ['tail', (control: Int32Array) => (control[TAIL_I32] = 4), 'tail and head are multiples of 8'],
  ])('refuses a ring with a wrong %s', (_name, damage, what) => {
    const ring = createRing(64)
    damage(new Int32Array(ring))
    expect(() => new RingWriter(ring)).toThrow(what)
    expect(() => new RingReader(ring)).toThrow(what)
  })

  it('refuses buffers that are no rings', () => {
    expect(() => new RingReader(new SharedArrayBuffer(16))).toThrow('buffer has the fixed length of a ring')
    const growable = new SharedArrayBuffer(DATA_POSITION + 64, { maxByteLength: 4096 })
    expect(() => new RingReader(growable)).toThrow('buffer has the fixed length of a ring')
    expect(() => new RingReader(new SharedArrayBuffer(4096))).toThrow('ring layout version matches')
  })

  it('refuses to create rings of other capacities or start positions', () => {
    for (const capacity of [0, 32, 65, 2 ** 31, NaN]) expect(() => createRing(capacity)).toThrow('ring capacity is')
    for (const start of [-8, 4, TWO_POW_32, 8.5, NaN]) {
      expect(() => createRing(64, start)).toThrow('start position is a u32 multiple of 8')
    }
  })
})
