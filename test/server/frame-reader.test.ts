/** Frames come out whole and in order however the network cuts them; what a length claims costs nothing. */
import { describe, expect, it } from 'vitest'
import { type Frame, type FrameJudge, FrameReader } from '../../src/server/frame-reader.ts'

function frame(...content: number[]): Uint8Array {
  const bytes = new Uint8Array(12 + content.length)
  const view = new DataView(bytes.buffer)
  view.setInt32(0, 8 + content.length)
  view.setInt16(4, 3)
  view.setInt16(6, 9)
  view.setInt32(8, content.length)
  bytes.set(content, 12)
  return bytes
}

class Judge implements FrameJudge {
  readonly admitted: [number, number][] = []
  takenBytes = 0
  hasMemory = true
  isInPlace = true

  admitLength(sizeBytes: number): void {
    if (sizeBytes < 8 || sizeBytes > 1000) throw new Error(`refused ${sizeBytes}`)
  }

  admit(apiKey: number, apiVersion: number): void {
    this.admitted.push([apiKey, apiVersion])
  }

  take(sizeBytes: number, _apiKey: number, inPlace: { chunk: Uint8Array; start: number } | undefined) {
    if (!this.hasMemory) return undefined
    this.takenBytes += sizeBytes
    const release = (): void => void (this.takenBytes -= sizeBytes)
    if (inPlace !== undefined && this.isInPlace) return { bytes: inPlace.chunk, start: inPlace.start, release }
    return { bytes: new Uint8Array(sizeBytes + 5), start: 5, release }
  }
}

function drain(reader: FrameReader): string[] {
  const found: string[] = []
  for (let next = reader.next(); next !== undefined && next !== 'wait'; next = reader.next()) found.push(text(next))
  return found
}

function text({ bytes, start, end, memory }: Frame): string {
  const content = Buffer.from(bytes.subarray(start, end)).toString('hex')
  memory.release()
  return content
}

const FRAMES = [frame(), frame(1), frame(2, 3, 4, 5, 6, 7, 8, 9), frame(10, 11)]
const STREAM = new Uint8Array(Buffer.concat(FRAMES))
const CONTENTS = FRAMES.map((each) => Buffer.from(each.subarray(4)).toString('hex'))

describe('a frame reader', () => {
  it.each([true, false])('gives the frames for every cut in two (in place: %s)', (isInPlace) => {
    for (let cut = 0; cut <= STREAM.length; cut++) {
      const judge = new Judge()
      judge.isInPlace = isInPlace
      const reader = new FrameReader(judge)
      const found: string[] = []
      for (const part of [STREAM.slice(0, cut), STREAM.slice(cut)]) {
        reader.push(part)
        found.push(...drain(reader))
      }
      expect(found, `cut at ${cut}`).toEqual(CONTENTS)
      expect(reader.isPartial).toBe(false)
      expect(judge.takenBytes).toBe(0)
    }
  })

  it('gives the frames byte by byte, and for pieces of every length, looked at or not meanwhile', () => {
    for (let length = 1; length <= STREAM.length; length++) {
      for (const isLookedAt of [true, false]) {
        const reader = new FrameReader(new Judge())
        const found: string[] = []
        for (let at = 0; at < STREAM.length; at += length) {
          reader.push(STREAM.slice(at, at + length))
          if (isLookedAt) found.push(...drain(reader))
        }
        expect([...found, ...drain(reader)], `pieces of ${length}`).toEqual(CONTENTS)
      }
    }
  })

  it('refuses a wrong length as soon as it is there, and takes no memory for it', () => {
    for (const sizeBytes of [0, 7, -1, 1001, 0x7fff_ffff, -0x8000_0000]) {
      const judge = new Judge()
      const reader = new FrameReader(judge)
      const bytes = new Uint8Array(4)
      new DataView(bytes.buffer).setInt32(0, sizeBytes)
      reader.push(bytes)
      expect(() => reader.next(), `length ${sizeBytes}`).toThrow('refused')
      expect(judge.takenBytes).toBe(0)
    }
  })

  it('asks for memory when key and version are known, not before', () => {
    const judge = new Judge()
    const reader = new FrameReader(judge)
    const bytes = frame(...new Uint8Array(500))
    reader.push(bytes.slice(0, 11))
    expect(reader.next()).toBe(undefined)
    expect(judge.takenBytes).toBe(0)
    reader.push(bytes.slice(11, 12))
    expect(reader.next()).toBe(undefined)
    expect(judge.admitted.at(-1)).toEqual([3, 9])
    expect(judge.takenBytes).toBe(508)
    reader.close()
    expect(judge.takenBytes).toBe(0)
  })

  it('waits for memory and goes on where it was', () => {
    const judge = new Judge()
    judge.hasMemory = false
    const reader = new FrameReader(judge)
    reader.push(STREAM)
    expect(reader.next()).toBe('wait')
    expect(reader.next()).toBe('wait')
    judge.hasMemory = true
    expect(drain(reader)).toEqual(CONTENTS)
  })
})
