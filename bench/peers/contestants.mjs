/**
 * The contestants: each writes the same records as a local log, in the way that its documentation recommends for many
 * small writes, and reads them back in order. `isDurable`: every batch is on disk (fdatasync or the library's own
 * equivalent) before it counts; else it is in the page cache and survives the death of the process.
 *
 *   open(directory, isDurable)     resolves with what the others get as their first argument; neither it nor close() is
 *                                  timed with them
 *   write(log, records, isDurable) resolves when the last record is acknowledged
 *   read(log, onValue)             calls onValue(Uint8Array) for every record in order
 *   close(log)
 *
 * `records` = { count, value(sequence) }; the array that value() returns is used again 64 records later, so who keeps
 * a value copies it. BATCH_RECORDS records are one transaction, where a library has transactions.
 */
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { open } from '../../dist/index.js'
import { requirePeer } from './install.mjs'

export const BATCH_RECORDS = 1000
const BUFFER_BYTES = 262_144
const READ_BYTES = 1 << 20

/** One partition: the others keep one order over all records. */
const vltava = {
  name: 'vltava',
  package: undefined,
  batching: 'append(), batches of 256 KiB; acks 1, or all with group commit',
  async open(directory) {
    const log = await open({ dir: directory })
    if ((await log.admin.listTopics()).length === 0) await log.admin.createTopics([{ topic: 'log' }])
    return log
  },
  async write(log, records, isDurable) {
    const producer = log.producer({ acks: isDurable ? 'all' : 1 })
    for (let sequence = 0; sequence < records.count;) {
      if (producer.append('log', records.value(sequence))) sequence += 1
      else await producer.drain()
    }
    await producer.flush()
  },
  async read(log, onValue) {
    const consumer = log.consumer()
    await consumer.subscribe(['log'])
    for await (const batch of consumer.batches({ until: 'end' })) for (const record of batch) onValue(record.value)
    await consumer.close()
  },
  close: (log) => log.close(),
}

const lmdb = {
  name: 'lmdb',
  package: 'lmdb',
  batching: `put() without awaiting each, the last of ${BATCH_RECORDS} awaited; noSync, or flushed`,
  open(directory, isDurable) {
    const path = join(directory, 'log.mdb')
    const encodings = { keyEncoding: 'uint32', encoding: 'binary', compression: false }
    return requirePeer('lmdb').open({ path, noSync: !isDurable, ...encodings })
  },
  async write(db, records, isDurable) {
    for (let sequence = 0; sequence < records.count;) {
      const end = Math.min(records.count, sequence + BATCH_RECORDS)
      let last
      for (; sequence < end; sequence++) last = db.put(sequence, Buffer.from(records.value(sequence)), { append: true })
      await last
      if (isDurable) await db.flushed
    }
  },
  read(db, onValue) {
    for (const { value } of db.getRange({})) onValue(value)
  },
  close: (db) => db.close(),
}

const level = {
  name: 'classic-level',
  package: 'classic-level',
  batching: `batch() of ${BATCH_RECORDS} puts; sync`,
  async open(directory) {
    const { ClassicLevel } = requirePeer('classic-level')
    const encodings = { keyEncoding: 'view', valueEncoding: 'view', compression: false }
    const db = new ClassicLevel(join(directory, 'log'), encodings)
    await db.open()
    return db
  },
  async write(db, records, isDurable) {
    for (let sequence = 0; sequence < records.count;) {
      const end = Math.min(records.count, sequence + BATCH_RECORDS)
      const puts = []
      for (; sequence < end; sequence++) {
        puts.push({ type: 'put', key: levelKey(sequence), value: records.value(sequence).slice() })
      }
      await db.batch(puts, { sync: isDurable })
    }
  },
  async read(db, onValue) {
    const values = db.values()
    for (let batch = await values.nextv(BATCH_RECORDS); batch.length > 0; batch = await values.nextv(BATCH_RECORDS)) {
      for (const value of batch) onValue(value)
    }
    await values.close()
  },
  close: (db) => db.close(),
}

/** Big-endian: keys sort by their bytes. */
function levelKey(sequence) {
  const key = new Uint8Array(8)
  new DataView(key.buffer).setBigUint64(0, BigInt(sequence))
  return key
}

const sqlite = {
  name: 'better-sqlite3',
  package: 'better-sqlite3',
  batching: `WAL, a transaction of ${BATCH_RECORDS} prepared inserts; synchronous NORMAL, or FULL`,
  open(directory, isDurable) {
    const Database = requirePeer('better-sqlite3')
    const db = new Database(join(directory, 'log.sqlite'))
    db.pragma('journal_mode = WAL')
    db.pragma(`synchronous = ${isDurable ? 'FULL' : 'NORMAL'}`)
    db.exec('CREATE TABLE IF NOT EXISTS log (sequence INTEGER PRIMARY KEY, value BLOB NOT NULL)')
    return db
  },
  write(db, records) {
    const insert = db.prepare('INSERT INTO log (sequence, value) VALUES (?, ?)')
    const insertMany = db.transaction((start, end) => {
      for (let sequence = start; sequence < end; sequence++) insert.run(sequence, records.value(sequence))
    })
    for (let sequence = 0; sequence < records.count; sequence += BATCH_RECORDS) {
      insertMany(sequence, Math.min(records.count, sequence + BATCH_RECORDS))
    }
  },
  read(db, onValue) {
    for (const value of db.prepare('SELECT value FROM log ORDER BY sequence').pluck().iterate()) onValue(value)
  },
  close: (db) => db.close(),
}

const openFile = (directory) => openSync(join(directory, 'log'), 'a+')

/** What one writes by hand: length and bytes, gathered in a buffer. No checksum, no index, no recovery. */
const fsBuffered = {
  name: 'fs, 256 KiB buffer',
  package: undefined,
  batching: 'frames gathered in 256 KiB, one writeSync() each; then fdatasync',
  open: openFile,
  write(fd, records, isDurable) {
    const buffer = new Uint8Array(BUFFER_BYTES)
    const view = new DataView(buffer.buffer)
    let length = 0
    const flush = () => {
      writeAll(fd, buffer, length)
      if (isDurable) fdatasyncSync(fd)
      length = 0
    }
    for (let sequence = 0; sequence < records.count; sequence++) {
      const value = records.value(sequence)
      if (length + 4 + value.length > BUFFER_BYTES) flush()
      view.setUint32(length, value.length)
      buffer.set(value, length + 4)
      length += 4 + value.length
    }
    flush()
  },
  read: readFrames,
  close: closeSync,
}

const fsEach = {
  name: 'fs, a write each',
  package: undefined,
  batching: 'writeSync() of every frame',
  open: openFile,
  write(fd, records) {
    const frame = new Uint8Array(4 + records.value(0).length)
    const view = new DataView(frame.buffer)
    for (let sequence = 0; sequence < records.count; sequence++) {
      const value = records.value(sequence)
      view.setUint32(0, value.length)
      frame.set(value, 4)
      writeAll(fd, frame, frame.length)
    }
  },
  read: readFrames,
  close: closeSync,
  isPageCacheOnly: true, // An fdatasync for every record would measure the disk alone.
}

function writeAll(fd, bytes, length) {
  for (let done = 0; done < length;) done += writeSync(fd, bytes, done, length - done)
}

function readFrames(fd, onValue) {
  const buffer = new Uint8Array(READ_BYTES)
  const view = new DataView(buffer.buffer)
  let filled = 0
  let filePosition = 0
  for (;;) {
    const count = readSync(fd, buffer, filled, READ_BYTES - filled, filePosition)
    filled += count
    filePosition += count
    let position = 0
    while (position + 4 <= filled) {
      const end = position + 4 + view.getUint32(position)
      if (end > filled) break
      onValue(buffer.subarray(position + 4, end))
      position = end
    }
    buffer.copyWithin(0, position, filled)
    filled -= position
    if (count === 0) break
  }
  if (filled !== 0) throw new Error(`the file ends with ${filled} bytes of a frame`)
}

export const CONTESTANTS = [vltava, lmdb, level, sqlite, fsBuffered, fsEach]
