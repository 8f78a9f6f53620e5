/**
 * Vltava as the interoperability suites see it: two functions over the published package, built into dist/.
 *
 * Records are compared in the form of ReadBack.java, without what only Kafka's client reports: bytes are base64, null
 * is null.
 */
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const DOOR = join(dirname(fileURLToPath(import.meta.url)), '../../dist/index.js')

/**
 * @typedef {object} PlainRecord
 * @property {number} partition
 * @property {number} offset
 * @property {number} timestamp milliseconds
 * @property {string | null} key base64
 * @property {string | null} value base64
 * @property {[string, string | null][]} headers values base64
 */

/**
 * @typedef {object} Send
 * @property {number} partition
 * @property {Uint8Array | null} key
 * @property {Uint8Array | null} value
 * @property {[string, Uint8Array | null][]} headers
 * @property {number} timestamp milliseconds
 */

/**
 * What to write: one topic; each step is sent by a producer of its own, with one codec.
 * @typedef {object} Plan
 * @property {string} topic
 * @property {number} partitions
 * @property {Record<string, string>} configs topic settings under Kafka's names
 * @property {{ compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd', sends: Send[] }[]} steps
 */

/** @returns {Promise<{ ok: boolean, reason: string }>} */
export async function vltavaAvailable() {
  if (!existsSync(DOOR)) return { ok: false, reason: 'dist/index.js is missing: run npm run build' }
  const { open } = await import(pathToFileURL(DOOR).href)
  if (typeof open !== 'function') return { ok: false, reason: 'dist/index.js does not export open()' }
  return { ok: true, reason: '' }
}

/**
 * Opens `dir`, creates the plan's topic, writes it, closes.
 * @param {string} dir
 * @param {Plan} plan
 * @returns {Promise<PlainRecord[]>} what a reader must find, by partition and offset
 */
export async function writeWithVltava(dir, plan) {
  const { topic, partitions, configs, steps } = plan
  /** @type {PlainRecord[]} */
  const expected = []
  const log = await openVltava(dir)
  try {
    await log.admin.createTopics([{ topic, partitions, configs }])
    for (const { compression, sends } of steps) {
      const producer = log.producer({ acks: 'all', compression })
      // Not awaited one by one, so that batches form; a partition's records keep the order of the calls.
      const places = sends.map(({ partition, key, value, headers, timestamp }) =>
        producer.send({ topic, partition, key, value, headers, timestamp }),
      )
      for (const [i, { partition, offset }] of (await Promise.all(places)).entries()) {
        const sent = sends[i]
        if (sent === undefined || sent.partition !== partition)
          throw new Error(`send ${i} went to partition ${partition}`)
        expected.push(plain(partition, { ...sent, offset }))
      }
      await producer.close()
    }
  } finally {
    await log.close()
  }
  return expected.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
}

/**
 * Opens a data directory, reads a topic from its start to its end, closes. The directory is changed by this: give it
 * a copy.
 * @param {string} dir
 * @param {string} topic
 * @returns {Promise<PlainRecord[]>} by partition and offset
 */
export async function readWithVltava(dir, topic) {
  const partitions = readdirSync(dir)
    .map((name) => (name.slice(0, name.lastIndexOf('-')) === topic ? Number(name.slice(topic.length + 1)) : NaN))
    .filter((partition) => Number.isInteger(partition))
    .sort((a, b) => a - b)
  /** @type {PlainRecord[]} */
  const records = []
  const log = await openVltava(dir)
  try {
    for (const partition of partitions) {
      const consumer = log.consumer()
      await consumer.assign([{ topic, partition, offset: 'start' }])
      for await (const batch of consumer.batches({ until: 'end' })) {
        for (const record of batch) records.push(plain(partition, record))
      }
      await consumer.close()
    }
  } finally {
    await log.close()
  }
  return records
}

/**
 * Appends a record of each codec to each partition of `topics`, in a directory that somebody else wrote, and closes.
 * @param {string} dir
 * @param {string[]} topics
 * @returns {Promise<{ topic: string, partition: number, offset: number, value: string | null }[]>} values in base64
 */
export async function appendWithVltava(dir, topics) {
  const appended = []
  const log = await openVltava(dir)
  try {
    for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
      const producer = log.producer({ acks: 'all', compression })
      for (const { topic, partitions } of await log.admin.describeTopics(topics)) {
        for (const { partition } of partitions) {
          const value = new TextEncoder().encode(`${compression} from Vltava `.repeat(20))
          const { offset } = await producer.send({ topic, partition, value, key: null })
          appended.push({ topic, partition, offset, value: base64(value) })
        }
      }
      await producer.close()
    }
  } finally {
    await log.close()
  }
  return appended
}

/** @param {string} dir */
async function openVltava(dir) {
  const { open } = await import(pathToFileURL(DOOR).href)
  return open({ dir })
}

/**
 * @param {number} partition
 * @param {{ offset: number, timestamp: number, key: Uint8Array | null, value: Uint8Array | null,
 *   headers: Iterable<[string, Uint8Array | null]> }} record
 * @returns {PlainRecord}
 */
function plain(partition, record) {
  return {
    partition,
    offset: record.offset,
    timestamp: record.timestamp,
    key: base64(record.key),
    value: base64(record.value),
    headers: [...record.headers].map(([key, value]) => [key, base64(value)]),
  }
}

/** @param {Uint8Array | null} bytes */
function base64(bytes) {
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
