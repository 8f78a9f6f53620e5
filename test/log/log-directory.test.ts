import { describe, expect, it } from 'vitest'
import { StorageError, VltavaError } from '../../src/base/errors.ts'
import { isUuid } from '../../src/base/uuid.ts'
import { formatJavaProperties, parseJavaProperties } from '../../src/log/java-properties.ts'
import {
  consumeCleanShutdown,
  initialiseLogDirectory,
  readLogDirectory,
  writeCleanShutdown,
} from '../../src/log/log-directory.ts'
import { damaged, MemoryFs, seededRandom } from './memory-fs.ts'

const META = '/d/meta.properties'
const MARKER = '/d/.kafka_cleanshutdown'

const KAFKA_V1 =
  '#\n#Tue Mar 05 10:15:30 UTC 2024\ncluster.id=MkU3OEVBNTcwNTJENDM2Qk\ndirectory.id=9Jdx0TPMQd2zLkDHgAUC1A\n' +
  'node.id=7\nversion=1\n'

function randomOf(source = seededRandom()) {
  return {
    next: source.next,
    fill: (bytes: Uint8Array) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = source.below(256)
    },
  }
}

describe('the properties of a log directory', () => {
  it('are made once, durably, with ids of its own', () => {
    const fs = new MemoryFs()
    expect(readLogDirectory(fs, '/d')).toBeUndefined()
    const made = initialiseLogDirectory(fs, '/d', randomOf(), 5)
    expect(made).toMatchObject({ version: 1, nodeId: 5, format: 1 })
    expect([isUuid(made.clusterId!), isUuid(made.directoryId!), made.clusterId === made.directoryId]).toEqual([
      true,
      true,
      false,
    ])
    expect(fs.text(META)).toBe(
      `version=1\ncluster.id=${made.clusterId}\nnode.id=5\ndirectory.id=${made.directoryId}\nvltava.format=1\n`,
    )
    expect(fs.calls.slice(-3)).toEqual([`sync ${META}.tmp`, `rename ${META}.tmp ${META}`, 'syncDirectory /d'])
    fs.calls.length = 0
    expect(initialiseLogDirectory(fs, '/d', randomOf(), 9)).toEqual(made)
    expect(
      fs.calls.filter((call) => !/^(open .* read|read )/.test(call)),
      'nothing is written again',
    ).toEqual([])
  })

  it('are taken from Kafka, byte for byte untouched', () => {
    const cases: [text: string, expected: object][] = [
      [
        KAFKA_V1,
        {
          version: 1,
          clusterId: 'MkU3OEVBNTcwNTJENDM2Qk',
          nodeId: 7,
          directoryId: '9Jdx0TPMQd2zLkDHgAUC1A',
          format: undefined,
        },
      ],
      [
        '#comment\nversion=1\nnode.id=1\ncluster.id=any text\n', // Before directory ids.
        { version: 1, clusterId: 'any text', nodeId: 1, directoryId: undefined, format: undefined },
      ],
      [
        'version=0\nbroker.id=3\ncluster.id=abc\n', // With ZooKeeper.
        { version: 0, clusterId: 'abc', nodeId: 3, directoryId: undefined, format: undefined },
      ],
      [
        'version=0\n',
        { version: 0, clusterId: undefined, nodeId: undefined, directoryId: undefined, format: undefined },
      ],
    ]
    for (const [text, expected] of cases) {
      const fs = new MemoryFs()
      fs.put(META, text)
      expect(initialiseLogDirectory(fs, '/d', randomOf())).toEqual(expected)
      expect(fs.text(META)).toBe(text)
      expect([...fs.files.keys()]).toEqual([META])
    }
  })

  it('are refused when a later release wrote them, naming what was found and what is supported', () => {
    for (const [text, message] of [
      ['version=2\nwhatever', 'meta.properties has version=2, this release reads up to version=1'],
      [`${KAFKA_V1}vltava.format=2\n`, 'meta.properties has vltava.format=2, this release reads up to vltava.format=1'],
      [`${KAFKA_V1}vltava.format=2147483647\n`, 'has vltava.format=2147483647'],
    ] as const) {
      const fs = new MemoryFs()
      fs.put(META, text)
      expect(() => initialiseLogDirectory(fs, '/d', randomOf())).toThrow(message)
      expect(() => readLogDirectory(fs, '/d')).toThrow(expect.objectContaining({ code: 'DIRECTORY_VERSION' }))
      expect(fs.text(META)).toBe(text)
    }
  })

  it('are refused when malformed, and never replaced', () => {
    for (const [text, message] of [
      ['', 'has no version'],
      ['cluster.id=a\nnode.id=1\n', 'has no version'],
      ['version=one\n', 'version="one"'],
      ['version=-1\n', 'version="-1"'],
      ['version=1\nnode.id=1\n', 'has no cluster.id'],
      ['version=1\nnode.id=1\ncluster.id=\n', 'has no cluster.id'],
      ['version=1\ncluster.id=a\n', 'has no node.id'],
      ['version=1\ncluster.id=a\nnode.id=x\n', 'node.id="x"'],
      ['version=1\ncluster.id=a\nnode.id=2147483648\n', 'node.id="2147483648"'],
      ['version=1\ncluster.id=a\nnode.id=1\ndirectory.id=short\n', 'directory.id="short"'],
      ['version=1\ncluster.id=a\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAA\n', 'no directory'],
      [`${KAFKA_V1}vltava.format=0\n`, 'vltava.format=0'],
      [`${KAFKA_V1}vltava.format=x\n`, 'vltava.format="x"'],
      [`${KAFKA_V1}x=\\u12\n`, 'malformed escape'],
    ] as const) {
      const fs = new MemoryFs()
      fs.put(META, text)
      expect(() => initialiseLogDirectory(fs, '/d', randomOf()), text).toThrow(message)
      expect(() => readLogDirectory(fs, '/d')).toThrow(expect.objectContaining({ code: 'DIRECTORY_CORRUPT' }))
      expect(fs.text(META)).toBe(text)
    }
    const fs = new MemoryFs()
    fs.put(META, new Uint8Array(70_000))
    expect(() => readLogDirectory(fs, '/d')).toThrow(StorageError)
  })

  it('give a typed error or a whole identity for every cut and every flipped bit', () => {
    const fs = new MemoryFs()
    initialiseLogDirectory(fs, '/d', randomOf())
    for (const { what, bytes } of damaged(fs.bytes(META))) {
      fs.put(META, bytes)
      try {
        const found = readLogDirectory(fs, '/d')
        expect(found!.version, what).toBeLessThanOrEqual(1)
        if (found!.version === 1)
          expect([found!.clusterId === '', found!.nodeId], what).toEqual([false, expect.any(Number)])
      } catch (error) {
        expect(error, what).toBeInstanceOf(VltavaError)
      }
    }
  })
})

describe('Java properties', () => {
  it('are read as Java reads them', () => {
    const text = [
      '# comment',
      '! comment = too',
      '   # indented comment',
      '',
      '  \t ',
      'a=1',
      '  b = 2  ',
      'c:3',
      'd 4',
      'e\t=\t5',
      'f',
      'g=',
      'h==6',
      'i : = 7',
      'j\\ k\\=l\\:m=n',
      'o=p\\tq\\nr\\rs\\ft\\\\u\\x',
      'p=\\u00e9\\u20AC',
      'q=one, \\',
      '    two, \\',
      '  # three',
      'r=back\\\\',
      's=1\r\nt=2\rs=3',
      '=empty key',
      'u=end\\',
    ].join('\n')
    expect(Object.fromEntries(parseJavaProperties(Buffer.from(text, 'latin1'), 'x'))).toEqual({
      a: '1',
      b: '2  ',
      c: '3',
      d: '4',
      e: '5',
      f: '',
      g: '',
      h: '=6',
      i: '= 7',
      'j k=l:m': 'n',
      o: 'p\tq\nr\rs\ft\\ux',
      p: 'é€',
      q: 'one, two, # three',
      r: 'back\\',
      s: '3',
      t: '2',
      '': 'empty key',
      u: 'end',
    })
  })

  it('come back as they were written, for random keys and values', () => {
    const { seed, below } = seededRandom()
    const alphabet = [
      'a',
      'B',
      '9',
      '.',
      ' ',
      '=',
      ':',
      '#',
      '!',
      '\\',
      '\t',
      '\n',
      '\r',
      '\f',
      'é',
      '€',
      '\0',
      'u0041',
      '𝄞',
    ]
    const text = (): string => Array.from({ length: below(8) }, () => alphabet[below(alphabet.length)]).join('')
    for (let round = 0; round < 3000; round++) {
      const properties = new Map(Array.from({ length: 1 + below(4) }, () => [text(), text()] as const))
      const bytes = formatJavaProperties(properties)
      const where = `SEED=${seed} round=${round} ${JSON.stringify([...properties])}`
      expect([...parseJavaProperties(bytes, 'x')], where).toEqual([...properties])
    }
  })
})

describe('the sign of a clean shutdown', () => {
  it('is Kafka’s JSON, durable, and is consumed once', () => {
    const fs = new MemoryFs()
    expect(consumeCleanShutdown(fs, '/d')).toBe(false)
    writeCleanShutdown(fs, '/d', 42)
    expect(fs.text(MARKER)).toBe('{"version":0,"brokerEpoch":42}')
    expect(fs.calls.slice(-3)).toEqual([`sync ${MARKER}.tmp`, `rename ${MARKER}.tmp ${MARKER}`, 'syncDirectory /d'])
    expect(consumeCleanShutdown(fs, '/d')).toBe(true)
    expect(fs.calls.slice(-2)).toEqual([`unlink ${MARKER}`, 'syncDirectory /d'])
    expect(fs.files.size).toBe(0)
    expect(consumeCleanShutdown(fs, '/d')).toBe(false)
  })

  it('counts when empty, as old releases of Kafka wrote it, and not when it cannot be read', () => {
    for (const [content, isClean] of [
      ['', true],
      ['{"version":0,"brokerEpoch":1}', true],
      ['{"version":0,"brokerEpoch":1,"more":[]}', true],
      ['{"version":0', false],
      ['{"version":1,"brokerEpoch":1}', false],
      ['null', false],
      ['7', false],
      ['\0\0\0\0', false],
      ['x'.repeat(70_000), false],
    ] as const) {
      const fs = new MemoryFs()
      fs.put(MARKER, content)
      expect(consumeCleanShutdown(fs, '/d'), content.slice(0, 40)).toBe(isClean)
      expect(fs.files.size).toBe(0)
    }
  })

  it('does not pass for consumed when it could not be removed for good', () => {
    for (const call of ['unlink', 'syncDirectory', 'open']) {
      const fs = new MemoryFs()
      writeCleanShutdown(fs, '/d')
      fs.failNext = { call, code: 'EIO' }
      expect(() => consumeCleanShutdown(fs, '/d'), call).toThrow(StorageError)
    }
  })
})
