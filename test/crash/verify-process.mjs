/**
 * Opens a directory after a crash, in a process that has nothing to do with the one that was killed, and says what is
 * in it. `node verify-process.mjs DIR OUT` writes to OUT, as JSON:
 *
 *   recoveryMs, damage            of the first open, which recovers
 *   topics                        name -> partitions: { start, end, ids: [[offset, id]], logBytes }
 *   faults                        texts: wrong bytes, gaps, indexes that disagree with a full scan, a second open that
 *                                 changed something, left-overs of deletions
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { open } from '../../dist/index.js'
import { idOf } from './payload.mjs'

const [dir, out] = process.argv.slice(2)
const HEADER_BYTES = 61
const LOOKUPS_PER_PARTITION = 25
const faults = []

const startedMs = performance.now()
const log = await open({ dir, shards: 2 })
const recoveryMs = performance.now() - startedMs
const damage = await log.admin.damage()
const topics = {}
for (const topic of await log.admin.listTopics()) {
  const [{ partitions }] = await log.admin.describeTopics([topic])
  topics[topic] = []
  for (const { partition, logStartOffset, highWatermark } of partitions) {
    topics[topic].push(await readPartition(topic, partition, logStartOffset, highWatermark))
  }
}
await log.close()
for (const [topic, partitions] of Object.entries(topics)) {
  partitions.forEach((found, partition) => scanFiles(`${topic}-${partition}`, found))
}
checkLeftOvers()
const before = fingerprint()
await (await open({ dir, shards: 2 })).close()
const after = fingerprint()
for (const path of new Set([...before.keys(), ...after.keys()])) {
  if (before.get(path) !== after.get(path)) faults.push(`a second open and close changed ${path}`)
}
writeFileSync(out, JSON.stringify({ recoveryMs, damage, topics, faults }))

async function readPartition(topic, partition, start, end) {
  const ids = []
  const times = []
  const consumer = log.consumer()
  await consumer.assign([{ topic, partition, offset: start }])
  let expected = start
  for await (const batch of consumer.batches({ until: 'end' })) {
    for (const record of batch) {
      if (record.offset !== expected)
        faults.push(`${topic}-${partition}: offset ${record.offset} follows ${expected - 1}`)
      expected = record.offset + 1
      const id = idOf(record.value)
      if (id === undefined) faults.push(`${topic}-${partition} offset ${record.offset}: not the bytes that were sent`)
      ids.push([record.offset, id ?? ''])
      times.push(record.timestamp)
    }
  }
  if (expected !== end) faults.push(`${topic}-${partition} ends at ${expected}, its high watermark is ${end}`)
  await lookUp(topic, partition, consumer, ids, times)
  await consumer.close()
  return { start, end, ids, logBytes: 0 }
}

/** Offsets and times, found by the indexes, against the scan. */
async function lookUp(topic, partition, consumer, ids, times) {
  const step = Math.max(1, Math.floor(ids.length / LOOKUPS_PER_PARTITION))
  for (let i = 0; i < ids.length; i += step) {
    const [offset] = ids[i]
    await consumer.seek(topic, partition, offset)
    for await (const batch of consumer.batches()) {
      const [record] = batch
      if (record.offset !== offset) faults.push(`${topic}-${partition}: seek to ${offset} came to ${record.offset}`)
      break
    }
    const timestamp = times[i]
    const first = times.findIndex((time) => time >= timestamp)
    const found = await log.admin.offset(topic, partition, { timestamp })
    if (found.offset !== ids[first][0]) {
      faults.push(`${topic}-${partition}: first at or after ${timestamp} is ${ids[first][0]}, not ${found.offset}`)
    }
  }
}

/** Every batch, and every entry of every index, by code that shares nothing with the engine. */
function scanFiles(name, found) {
  const bases = readdirSync(join(dir, name))
    .filter((file) => file.endsWith('.log'))
    .sort()
  let expected = Number(bases[0]?.slice(0, 20))
  for (const file of bases) {
    const base = Number(file.slice(0, 20))
    if (base !== expected) faults.push(`${name}/${file} begins at ${base}, the one before ends at ${expected}`)
    const bytes = readFileSync(join(dir, name, file))
    found.logBytes += bytes.length
    const batches = new Map()
    let maxTimestamp = -1n
    for (let position = 0; position < bytes.length;) {
      const size = position + HEADER_BYTES <= bytes.length ? 12 + bytes.readInt32BE(position + 8) : 0
      if (size < HEADER_BYTES || position + size > bytes.length) {
        faults.push(`${name}/${file}: no whole batch at byte ${position}`)
        break
      }
      const baseOffset = Number(bytes.readBigInt64BE(position))
      const lastOffset = baseOffset + bytes.readInt32BE(position + 23)
      if (baseOffset !== expected) faults.push(`${name}/${file}: batch at ${baseOffset} follows ${expected - 1}`)
      expected = lastOffset + 1
      const timestamp = bytes.readBigInt64BE(position + 35)
      if (timestamp > maxTimestamp) maxTimestamp = timestamp
      batches.set(lastOffset, { position, maxTimestamp })
      position += size
    }
    checkIndexes(name, base, batches)
  }
  if (expected !== found.end) faults.push(`${name}: the files end at ${expected}, the log at ${found.end}`)
}

function checkIndexes(name, base, batches) {
  const stem = join(dir, name, String(base).padStart(20, '0'))
  const index = readFileSync(`${stem}.index`)
  for (let i = 0; i < index.length; i += 8) {
    const batch = batches.get(base + index.readInt32BE(i))
    if (batch?.position !== index.readInt32BE(i + 4)) faults.push(`${stem}.index: entry ${i / 8} points at no batch`)
  }
  const times = readFileSync(`${stem}.timeindex`)
  for (let i = 0; i < times.length; i += 12) {
    const batch = batches.get(base + times.readInt32BE(i + 8))
    if (batch?.maxTimestamp !== times.readBigInt64BE(i)) faults.push(`${stem}.timeindex: entry ${i / 12} is wrong`)
  }
}

function checkLeftOvers() {
  const known = new Set(Object.entries(topics).flatMap(([topic, list]) => list.map((_, index) => `${topic}-${index}`)))
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (entry.isDirectory() && !known.has(entry.name)) faults.push(`${entry.name} is left of a deleted topic`)
  }
  for (const name of known) {
    for (const file of readdirSync(join(dir, name))) {
      // Of other files a replacement that was interrupted leaves a .tmp, which the next one overwrites.
      if (/\.deleted$|\.snapshot\.tmp$/.test(file)) faults.push(`${name}/${file} is left`)
    }
  }
}

/** Path -> digest of every file. */
function fingerprint() {
  const files = new Map()
  for (const path of readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()) {
    const full = join(dir, path)
    if (statSync(full).isFile()) files.set(path, createHash('sha1').update(readFileSync(full)).digest('hex'))
  }
  return files
}
