import { describe, expect, it } from 'vitest'
import { StorageError, VltavaError } from '../../src/base/errors.ts'
import {
  CLEANER_OFFSET_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  LOG_START_OFFSET_CHECKPOINT,
  readOffsetCheckpoint,
  RECOVERY_POINT_CHECKPOINT,
  writeOffsetCheckpoint,
} from '../../src/log/offset-checkpoint.ts'
import { damaged, MemoryFs, seededRandom } from './memory-fs.ts'

const NAME = RECOVERY_POINT_CHECKPOINT
const PATH = `/d/${NAME}`

// In the order in which they are written: by topic, then partition.
const ENTRIES = [
  { topic: 'a-b.c_d', partition: 2 ** 31 - 1, offset: 4_294_967_296 },
  { topic: 'clicks', partition: 0, offset: 0 },
  { topic: 'clicks', partition: 11, offset: Number.MAX_SAFE_INTEGER },
]
const TEXT = `0\n3\na-b.c_d 2147483647 4294967296\nclicks 0 0\nclicks 11 9007199254740991\n`

describe('an offset checkpoint', () => {
  it('has Kafka’s names', () => {
    expect([
      RECOVERY_POINT_CHECKPOINT,
      LOG_START_OFFSET_CHECKPOINT,
      HIGH_WATERMARK_CHECKPOINT,
      CLEANER_OFFSET_CHECKPOINT,
    ]).toEqual([
      'recovery-point-offset-checkpoint',
      'log-start-offset-checkpoint',
      'replication-offset-checkpoint',
      'cleaner-offset-checkpoint',
    ])
  })

  it('is text: version, count, one line for each partition', () => {
    const fs = new MemoryFs()
    writeOffsetCheckpoint(fs, '/d', NAME, [...ENTRIES].reverse())
    expect(fs.text(PATH)).toBe(TEXT)
    expect([...readOffsetCheckpoint(fs, '/d', NAME)!]).toEqual([
      ['a-b.c_d-2147483647', ENTRIES[0]],
      ['clicks-0', ENTRIES[1]],
      ['clicks-11', ENTRIES[2]],
    ])
    writeOffsetCheckpoint(fs, '/d', NAME, [])
    expect(fs.text(PATH)).toBe('0\n0\n')
    expect(readOffsetCheckpoint(fs, '/d', NAME)!.size).toBe(0)
  })

  it('is replaced as a whole and durable', () => {
    const fs = new MemoryFs()
    writeOffsetCheckpoint(fs, '/d', NAME, ENTRIES)
    expect(fs.calls).toEqual([
      `open ${PATH}.tmp replace`,
      `write ${PATH}.tmp ${TEXT.length}`,
      `sync ${PATH}.tmp`,
      `rename ${PATH}.tmp ${PATH}`,
      'syncDirectory /d',
    ])
    for (const call of ['open', 'write', 'sync', 'rename']) {
      fs.failNext = { call, code: 'ENOSPC' }
      expect(() => writeOffsetCheckpoint(fs, '/d', NAME, [])).toThrow(StorageError)
      expect(fs.text(PATH)).toBe(TEXT)
    }
    expect(fs.openCount).toBe(0)
  })

  it('is undefined when missing and empty when Kafka has only created it', () => {
    const fs = new MemoryFs()
    expect(readOffsetCheckpoint(fs, '/d', NAME)).toBeUndefined()
    fs.put(PATH, '')
    expect(readOffsetCheckpoint(fs, '/d', NAME)!.size).toBe(0)
  })

  it('is refused when malformed, with the file and the line', () => {
    const cases: [text: string, line: number][] = [
      ['0', 1],
      ['\n', 1],
      ['x\n0\n', 1],
      ['-1\n0\n', 1],
      ['0\n', 2],
      ['0\n1', 2],
      ['0\n1\n', 2],
      ['0\n-1\n', 2],
      ['0\n00\n', 2],
      ['0\n2\na 0 0\n', 2],
      ['0\n0\na 0 0\n', 2],
      ['0\n99999999999999999999\na 0 0\n', 2],
      ['0\n1\na 0 1', 3],
      ['0\n1\na 0\n', 3],
      ['0\n1\na 0 1 2\n', 3],
      ['0\n1\na  0 1\n', 3],
      ['0\n1\na 0 -1\n', 3],
      ['0\n1\na 0 1.5\n', 3],
      ['0\n1\na 0 0x10\n', 3],
      ['0\n1\na 0 01\n', 3],
      ['0\n1\na 0 9007199254740992\n', 3],
      ['0\n1\na 2147483648 1\n', 3],
      ['0\n1\n.. 0 1\n', 3],
      ['0\n1\na/b 0 1\n', 3],
      ['0\n1\na 0 1\r\n', 3],
      ['0\n2\na 0 1\na 0 2\n', 4],
      ['0\n2\na 0 1\n\n', 4],
    ]
    for (const [text, line] of cases) {
      const fs = new MemoryFs()
      fs.put(PATH, text)
      let thrown: unknown
      try {
        readOffsetCheckpoint(fs, '/d', NAME)
      } catch (error) {
        thrown = error
      }
      expect(thrown, JSON.stringify(text)).toMatchObject({ code: 'DIRECTORY_CORRUPT' })
      expect((thrown as Error).message, JSON.stringify(text)).toContain(`${PATH} line ${line}:`)
    }
  })

  it('is refused when a later version wrote it', () => {
    const fs = new MemoryFs()
    fs.put(PATH, '1\nwho knows\n')
    expect(() => readOffsetCheckpoint(fs, '/d', NAME)).toThrow(/version=1, this release reads version=0/)
    expect(() => readOffsetCheckpoint(fs, '/d', NAME)).toThrow(expect.objectContaining({ code: 'DIRECTORY_VERSION' }))
  })

  it('notices every cut, and for every flipped bit gives a typed error or as many valid entries', () => {
    const fs = new MemoryFs()
    for (const { what, bytes } of damaged(Buffer.from(TEXT, 'latin1'))) {
      fs.put(PATH, bytes)
      let entries: Map<string, unknown> | undefined
      try {
        entries = readOffsetCheckpoint(fs, '/d', NAME)
      } catch (error) {
        expect(error, what).toBeInstanceOf(VltavaError)
        expect((error as VltavaError).code, what).toMatch(/^DIRECTORY_(CORRUPT|VERSION)$/)
        continue
      }
      expect(entries!.size, what).toBe(bytes.length === 0 ? 0 : 3)
      expect([0, TEXT.length], what).toContain(bytes.length)
    }
  })

  it('is refused when something else is in its place', () => {
    const fs = new MemoryFs()
    fs.makeDirectory(PATH)
    expect(() => readOffsetCheckpoint(fs, '/d', NAME)).toThrow(StorageError)
    fs.removeDirectory(PATH)
    fs.put(PATH, TEXT)
    fs.failNext = { call: 'open', code: 'EACCES' }
    expect(() => readOffsetCheckpoint(fs, '/d', NAME)).toThrow(StorageError)
  })

  it('asserts that what it writes can be read', () => {
    const fs = new MemoryFs()
    for (const entry of [
      { topic: 'a b', partition: 0, offset: 0 },
      { topic: 'a', partition: -1, offset: 0 },
      { topic: 'a', partition: 0, offset: -1 },
      { topic: 'a', partition: 0, offset: 2 ** 53 },
    ]) {
      expect(() => writeOffsetCheckpoint(fs, '/d', NAME, [entry])).toThrow()
    }
    expect(fs.calls).toEqual([])
  })

  it('reads back what it wrote, for random entries', () => {
    const { seed, next, below } = seededRandom()
    for (let round = 0; round < 100; round++) {
      const fs = new MemoryFs()
      const entries = Array.from({ length: below(50) }, (_, i) => ({
        topic: `${'a.-_Z9'.charAt(below(6))}t${below(10)}`,
        partition: i,
        offset: Math.floor(next() * 2 ** below(54)),
      }))
      writeOffsetCheckpoint(fs, '/d', NAME, entries)
      const byPlace = entries.toSorted(
        (a, b) => (a.topic < b.topic ? -1 : +(a.topic > b.topic)) || a.partition - b.partition,
      )
      expect([...readOffsetCheckpoint(fs, '/d', NAME)!.values()], `SEED=${seed}`).toEqual(byPlace)
    }
  })
})
