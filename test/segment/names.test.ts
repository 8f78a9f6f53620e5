import { describe, expect, it } from 'vitest'
import { VltavaError } from '../../src/base/errors.ts'
import {
  collidingTopicName,
  deletedDirectoryName,
  parsePartitionDirectoryName,
  parseSegmentFileName,
  partitionDirectoryName,
  segmentFileName,
  validateTopicName,
} from '../../src/segment/names.ts'

const HEX = '0123456789abcdef0123456789abcdef'

describe('segment file names', () => {
  it('are 20 digits and a suffix, and parse back', () => {
    for (const offset of [0, 1, 4_294_967_296, Number.MAX_SAFE_INTEGER]) {
      for (const suffix of ['.log', '.index', '.timeindex', '.txnindex', '.snapshot'] as const) {
        const name = segmentFileName(offset, suffix)
        expect(name).toBe(`${offset}`.padStart(20, '0') + suffix)
        expect(parseSegmentFileName(name)).toEqual({ baseOffset: offset, suffix, transient: '' })
        for (const transient of ['.deleted', '.cleaned', '.swap'] as const) {
          expect(parseSegmentFileName(name + transient)).toEqual({ baseOffset: offset, suffix, transient })
        }
      }
    }
  })

  it('refuse offsets that are no safe integers', () => {
    for (const offset of [-1, 0.5, NaN, 2 ** 53]) expect(() => segmentFileName(offset, '.log')).toThrow('safe integer')
  })

  it('are not seen in other names', () => {
    for (const name of [
      '',
      '.log',
      '0.log',
      '0000000000000000000.log', // 19 digits.
      '000000000000000000000.log', // 21 digits.
      '-0000000000000000001.log',
      '00000000000000000000',
      '00000000000000000000.txt',
      '00000000000000000000.log.bak',
      '00000000000000000000.log.deleted.swap',
      '00000000000000000000.deleted',
      'a00000000000000000000.log',
      '00000000000000000000.log\n',
      '00009007199254740992.log', // 2^53: not exact as a number.
      '99999999999999999999.log',
      'leader-epoch-checkpoint',
    ]) {
      expect(parseSegmentFileName(name), name).toBeUndefined()
    }
  })
})

describe('partition directory names', () => {
  it('parse back, whatever dashes and dots the topic has', () => {
    for (const topic of ['a', 'a-b', 'a.b', 'a-0', '-', '--', '...', `x.${HEX}-delete`, 'x-delete', 'a'.repeat(249)]) {
      for (const partition of [0, 1, 10, 2 ** 31 - 1]) {
        expect(parsePartitionDirectoryName(partitionDirectoryName(topic, partition)), topic).toEqual({
          topic,
          partition,
          kind: 'live',
        })
      }
      for (const kind of ['delete', 'future', 'stray'] as const) {
        const name = `${topic.slice(0, 200)}-7.${HEX}-${kind}`
        expect(parsePartitionDirectoryName(name), name).toEqual({ topic: topic.slice(0, 200), partition: 7, kind })
      }
    }
  })

  it('are given to directories that wait for removal, cut to what a file system takes', () => {
    expect(deletedDirectoryName('a.b', 3, HEX)).toBe(`a.b-3.${HEX}-delete`)
    const long = deletedDirectoryName('t'.repeat(249), 12, HEX)
    expect(long).toHaveLength(255)
    expect(parsePartitionDirectoryName(long)).toEqual({ topic: 't'.repeat(212), partition: 12, kind: 'delete' })
    expect(() => deletedDirectoryName('a', 0, 'xyz')).toThrow('32 hex digits')
  })

  it('are not seen in other names', () => {
    for (const name of [
      '',
      '-',
      'a',
      'a-',
      '-0',
      'a-b',
      'a-00',
      'a-01',
      'a-+1',
      'a--', // The topic would be "a-" and the partition nothing.
      'a-1.5',
      'a-2147483648',
      'a-99999999999',
      'lost+found',
      'a b-0',
      '../x-0',
      '..-0',
      '.-0',
      'ä-0',
      `${'t'.repeat(250)}-0`,
      'a-0.abc-delete',
      `a-0${HEX}-delete`,
      `a-0.${HEX}x-delete`,
      `a-0.${HEX}-deleted`,
      `a.${HEX}-delete`,
      `-0.${HEX}-stray`,
      '-delete',
      '__cluster_metadata',
    ]) {
      expect(parsePartitionDirectoryName(name), name).toBeUndefined()
    }
  })
})

describe('topic names', () => {
  it('are 1 to 249 of the ASCII letters, digits, dot, underscore and dash', () => {
    for (const name of ['a', 'A-z_0.9', '...', '-', '_', '__consumer_offsets', 'a'.repeat(249)]) validateTopicName(name)
  })

  it('are refused otherwise, with the name and the broken rule', () => {
    const cases: [name: string, rule: string][] = [
      ['', 'at least 1 character'],
      ['.', "not be '.' or '..'"],
      ['..', "not be '.' or '..'"],
      ['a'.repeat(250), 'at most 249 characters, this one has 250'],
      ['a'.repeat(100_000), 'at most 249 characters'],
      ['a b', 'ASCII letters'],
      ['a/b', 'ASCII letters'],
      ['../../etc', 'ASCII letters'],
      ['a\0', 'ASCII letters'],
      ['a\n', 'ASCII letters'],
      ['é', 'ASCII letters'],
      ['１', 'ASCII letters'],
    ]
    for (const [name, rule] of cases) {
      let thrown: unknown
      try {
        validateTopicName(name)
      } catch (error) {
        thrown = error
      }
      expect(thrown, JSON.stringify(name)).toBeInstanceOf(VltavaError)
      expect(thrown).toMatchObject({ code: 'INVALID_TOPIC_EXCEPTION' })
      const message = (thrown as VltavaError).message
      expect(message).toContain(rule)
      expect(message).toContain(JSON.stringify(name.slice(0, 200)).slice(0, -1))
      expect(message).not.toMatch(/[\0-\x1f]/)
      expect(message.length).toBeLessThan(500)
    }
    // @ts-expect-error Callers in plain JavaScript pass anything.
    expect(() => validateTopicName(undefined)).toThrow('it must be a string')
  })

  it('collide when they differ by dots and underscores only', () => {
    expect(collidingTopicName('a.b', ['x', 'a_b', 'a.b'])).toBe('a_b')
    expect(collidingTopicName('a_b', ['a.b'])).toBe('a.b')
    expect(collidingTopicName('a.b', ['a.b'])).toBeUndefined()
    expect(collidingTopicName('a.b', ['a-b', 'ab', 'a.b.'])).toBeUndefined()
    expect(collidingTopicName('..a', ['_.a'])).toBe('_.a')
  })
})
