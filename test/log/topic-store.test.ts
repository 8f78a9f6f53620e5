import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { realEnv } from '../../src/base/env/real-env.ts'
import type { SimEnv } from '../../src/base/env/sim-env.ts'
import { readSmallFile } from '../../src/base/file-io.ts'
import { isUuid } from '../../src/base/uuid.ts'
import { writePartitionMetadata } from '../../src/log/partition-metadata.ts'
import { type Topic, TOPICS_FILE, TopicStore } from '../../src/log/topic-store.ts'
import { DATA, simDisk, TOPIC_ID } from './sim-log.ts'

const CLICKS: Topic = {
  name: 'clicks',
  id: TOPIC_ID,
  partitions: 3,
  configs: { 'retention.ms': '5' },
  isDeleting: false,
}

function makePartition(env: SimEnv, name: string, topicId?: string): void {
  env.fs.makeDirectory(`${DATA}/${name}`)
  if (topicId !== undefined) writePartitionMetadata(env.fs, `${DATA}/${name}`, topicId)
}

function put(env: SimEnv, text: string): void {
  const bytes = Buffer.from(text)
  env.fs.open(`${DATA}/${TOPICS_FILE}`, 'replace').write(bytes, 0, bytes.length, 0)
}

function faultOf(text: string): unknown {
  const env = simDisk()
  put(env, text)
  try {
    TopicStore.load(env, DATA)
  } catch (error) {
    return error
  }
  return undefined
}

describe('the list of topics', () => {
  it('of a new directory is empty and writes nothing', () => {
    const env = simDisk()
    expect(TopicStore.load(env, DATA).all()).toEqual([])
    expect(env.fs.list(DATA)).toEqual([])
  })

  it('survives a power cut as soon as put() has returned', () => {
    const env = simDisk()
    TopicStore.load(env, DATA).put([CLICKS])
    env.fs.crash(env.random, { files: 'none', directories: 'none' })
    const again = TopicStore.load(env, DATA)
    expect(again.all()).toEqual([CLICKS])
    expect(again.get('clicks')).toEqual(CLICKS)
    again.remove('clicks')
    env.fs.crash(env.random, { files: 'none', directories: 'none' })
    expect(TopicStore.load(env, DATA).all()).toEqual([])
  })

  it('does not show topics that are being deleted, but keeps them until they are gone', () => {
    const store = TopicStore.load(simDisk(), DATA)
    store.put([CLICKS, { ...CLICKS, name: 'gone', isDeleting: true }])
    expect([store.names(), store.get('gone'), store.all().length]).toEqual([['clicks'], undefined, 2])
  })

  it('of a later version is refused, and one that is damaged is said to be', () => {
    expect(faultOf('{"version":2,"topics":[]}')).toMatchObject({ code: 'DIRECTORY_VERSION' })
    const good = JSON.stringify({ version: 1, topics: [CLICKS] })
    expect(faultOf(good)).toBeUndefined()
    for (let length = 0; length < good.length; length++) {
      expect(faultOf(good.slice(0, length)), good.slice(0, length)).toMatchObject({ code: 'DIRECTORY_CORRUPT' })
    }
    const wrong: object[] = [
      { ...CLICKS, name: '../x' },
      { ...CLICKS, name: '' },
      { ...CLICKS, partitions: 0 },
      { ...CLICKS, partitions: 1e9 },
      { ...CLICKS, partitions: '3' },
      { ...CLICKS, configs: { a: 1 } },
      { ...CLICKS, configs: null },
      { ...CLICKS, id: 7 },
      { ...CLICKS, isDeleting: 'no' },
      [],
    ]
    for (const topic of wrong) {
      expect(faultOf(JSON.stringify({ version: 1, topics: [topic] }))).toMatchObject({ code: 'DIRECTORY_CORRUPT' })
    }
    for (const text of ['[]', '{}', 'null', '{"version":1}', '{"version":1,"topics":{}}']) {
      expect(faultOf(text), text).toMatchObject({ code: 'DIRECTORY_CORRUPT' })
    }
  })
})

describe('a directory that the list does not know', () => {
  it('is adopted with the id that Kafka gave it, and nothing of it is deleted for its age', () => {
    const env = simDisk()
    for (const partition of [0, 2]) makePartition(env, `orders.v-2-${partition}`, TOPIC_ID)
    const store = TopicStore.load(env, DATA)
    const adopted = {
      name: 'orders.v-2',
      id: TOPIC_ID,
      partitions: 3,
      configs: { 'retention.ms': '-1' },
      isDeleting: false,
      isAdopted: true,
    }
    expect(store.all()).toEqual([adopted])
    expect(TopicStore.load(env, DATA).all(), 'and written down').toEqual([adopted])
  })

  it('without an id gets one', () => {
    const env = simDisk()
    makePartition(env, 'orders-0')
    const { id } = TopicStore.load(env, DATA).get('orders')!
    expect(isUuid(id)).toBe(true)
    expect(TopicStore.load(env, DATA).get('orders')!.id).toBe(id)
  })

  it.each([
    '__cluster_metadata-0',
    'orders',
    'orders-x',
    'orders-01',
    `orders-0.${'0'.repeat(32)}-delete`,
    `orders-0.${'0'.repeat(32)}-stray`,
    `orders-0.${'0'.repeat(32)}-future`,
    'a topic-0',
  ])('%s is no topic', (name) => {
    const env = simDisk()
    makePartition(env, name)
    expect(TopicStore.load(env, DATA).all()).toEqual([])
  })

  it('is not made of a file', () => {
    const env = simDisk()
    env.fs.open(`${DATA}/orders-0`, 'create').close()
    expect(TopicStore.load(env, DATA).all()).toEqual([])
  })

  it('of a known topic changes nothing in the list', () => {
    const env = simDisk()
    TopicStore.load(env, DATA).put([CLICKS])
    makePartition(env, 'clicks-7', TOPIC_ID)
    expect(TopicStore.load(env, DATA).all()).toEqual([CLICKS])
  })
})

describe("Kafka's own directory", () => {
  const copies: string[] = []
  afterEach(() => {
    for (const copy of copies.splice(0)) rmSync(copy, { recursive: true, force: true })
  })

  it('is adopted whole', () => {
    const copy = mkdtempSync(join(tmpdir(), 'vltava-topics-'))
    copies.push(copy)
    cpSync('test/fixtures/kafka/v4.3.1', copy, { recursive: true })
    const store = TopicStore.load(realEnv, copy)
    expect(store.names().sort()).toEqual(
      '__consumer_offsets __transaction_state codecs compacted edges empty log-append open-txn rolled trimmed txn'.split(
        ' ',
      ),
    )
    expect(store.get('codecs')!.partitions).toBe(5)
    const [, id] = /topic_id: (.*)$/.exec(readFileSync(join(copy, 'txn-1/partition.metadata'), 'utf8'))!
    expect(store.get('txn')!.id).toBe(id)
    expect(readSmallFile(realEnv.fs, join(copy, TOPICS_FILE))).toBeDefined()
  })
})
