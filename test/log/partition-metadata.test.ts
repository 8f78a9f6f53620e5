import { describe, expect, it } from 'vitest'
import { StorageError, VltavaError } from '../../src/base/errors.ts'
import { readPartitionMetadata, writePartitionMetadata } from '../../src/log/partition-metadata.ts'
import { damaged, MemoryFs } from './memory-fs.ts'

const PATH = '/d/partition.metadata'
const ID = '9Jdx0TPMQd2zLkDHgAUC1A'

describe('partition metadata', () => {
  it('is two lines without a newline at the end, durable on return', () => {
    const fs = new MemoryFs()
    expect(readPartitionMetadata(fs, '/d')).toBeUndefined()
    writePartitionMetadata(fs, '/d', ID)
    expect(fs.text(PATH)).toBe(`version: 0\ntopic_id: ${ID}`)
    expect(fs.calls.slice(-3)).toEqual([`sync ${PATH}.tmp`, `rename ${PATH}.tmp ${PATH}`, 'syncDirectory /d'])
    expect(readPartitionMetadata(fs, '/d')).toEqual({ topicId: ID })
    fs.put(PATH, `version: 0\ntopic_id: ${ID}\n`)
    expect(readPartitionMetadata(fs, '/d')).toEqual({ topicId: ID })
    expect(() => writePartitionMetadata(fs, '/d', 'AAAAAAAAAAAAAAAAAAAAAA')).toThrow('other than zero')
    expect(() => writePartitionMetadata(fs, '/d', 'short')).toThrow('UUID')
  })

  it('is refused when a later version wrote it, whatever follows', () => {
    for (const text of ['version: 1\ntopic_id: x\nmore: y', 'version: 7', 'version: 00\ntopic_id: x']) {
      const fs = new MemoryFs()
      fs.put(PATH, text)
      expect(() => readPartitionMetadata(fs, '/d')).toThrow(expect.objectContaining({ code: 'DIRECTORY_VERSION' }))
      expect(() => readPartitionMetadata(fs, '/d')).toThrow(/partition\.metadata has version=\d+, this release reads/)
    }
  })

  it('is refused when malformed', () => {
    for (const text of [
      '',
      'version: 0',
      'version: 0\n',
      `version: -1\ntopic_id: ${ID}`,
      `topic_id: ${ID}`,
      `version: 0\ntopic_id: ${ID}A`,
      `version: 0\ntopic_id: ${ID}\nmore: y`,
      'version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA', // Zero means none.
      'version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAB', // Not the form of any 16 bytes.
      `version: 0\r\ntopic_id: ${ID}`,
    ]) {
      const fs = new MemoryFs()
      fs.put(PATH, text)
      expect(() => readPartitionMetadata(fs, '/d'), JSON.stringify(text)).toThrow(
        expect.objectContaining({ code: 'DIRECTORY_CORRUPT' }),
      )
    }
    const fs = new MemoryFs()
    fs.put(PATH, new Uint8Array(5000))
    expect(() => readPartitionMetadata(fs, '/d')).toThrow(StorageError)
  })

  it('notices every cut, and for every flipped bit gives a typed error or another id', () => {
    const fs = new MemoryFs()
    for (const { what, bytes } of damaged(Buffer.from(`version: 0\ntopic_id: ${ID}`))) {
      fs.put(PATH, bytes)
      try {
        const found = readPartitionMetadata(fs, '/d')
        expect(found!.topicId, what).not.toBe(ID)
        expect(bytes.length, what).toBe(43)
      } catch (error) {
        expect(error, what).toBeInstanceOf(VltavaError)
      }
    }
  })
})
