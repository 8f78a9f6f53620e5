/**
 * Looks a freshly opened log through before anybody writes to it, and tells the model: which topics there are, every
 * record of every partition, that each offset and each timestamp is found where it is (A9).
 */
import { type SeededRandom } from '../../src/base/random.ts'
import { verifySegment } from '../../src/segment/verify.ts'
import { parsePartitionDirectoryName, parseSegmentFileName } from '../../src/segment/names.ts'
import type { ModelTopic } from './model-topic.ts'
import type { ReadRecord } from './model.ts'
import { SimFailure } from './scheduler.ts'
import type { SimClient } from './sim-process.ts'
import { readRecordsOf } from './workload-consume.ts'
import { DIRECTORY, type World } from './world.ts'

const SAMPLES = 6

export async function verifyLog(world: World, client: SimClient): Promise<void> {
  const idEnd = world.model.records.length
  const random = world.random.fork()
  checkTopics(world, client)
  for (const { topic: name, partitionCount } of client.transport.topics()) {
    const topic = world.topicOf(client.transport, name)!
    for (let partition = 0; partition < partitionCount; partition++) {
      await verifyPartition(world, client, topic, partition, random)
    }
    if (topic.partitions.every(({ isVerified }) => isVerified)) world.model.seal(topic, idEnd)
  }
}

/** What was created is there, what was deleted is not, and settings are those that were set. */
function checkTopics(world: World, { transport }: SimClient): void {
  for (const { topic: name } of transport.topics()) world.topicOf(transport, name)
  for (const topic of world.model.topics.values()) {
    const info = transport.topic(topic.name)
    const isThere = info?.topicId === topic.id
    if (topic.existence === 'yes' && !isThere) throw new SimFailure(`topic ${topic.name} ${topic.id} is lost`)
    if (topic.existence === 'no' && isThere) throw new SimFailure(`topic ${topic.name} ${topic.id} is back`)
    topic.existence = isThere ? 'yes' : 'no'
    if (!isThere) continue
    const fault = topic.configsFault(info.configs)
    if (fault !== undefined) throw new SimFailure(`topic ${topic.name}: ${fault}`)
    if (info.partitionCount < topic.partitions.length) {
      throw new SimFailure(`topic ${topic.name} has ${info.partitionCount} of ${topic.partitions.length} partitions`)
    }
  }
}

async function verifyPartition(
  world: World,
  client: SimClient,
  topic: ModelTopic,
  partition: number,
  random: SeededRandom,
): Promise<void> {
  const { transport } = client
  const { name } = topic
  const failure = transport.partitionFailure(name, partition)
  if (failure !== undefined) {
    world.count('partition offline after open')
    return
  }
  const ends = transport.ends(name, partition)
  const records: ReadRecord[] = []
  const consumer = client.log.consumer()
  await consumer.assign([{ topic: name, partition, offset: 'start' }])
  for await (const batch of consumer.batches({ until: 'end' })) records.push(...readRecordsOf(batch))
  await consumer.close()
  world.model.verify(topic, partition, ends, records)
  world.model.sawEnds(client.label, topic, partition, ends)
  if (records.length === 0) return
  for (let i = 0; i < SAMPLES; i++) {
    await findByOffset(client, name, partition, random.pick(records))
    await findByTimestamp(client, name, partition, random.pick(records).timestamp + random.below(3) - 1, records)
  }
}

async function findByOffset({ log }: SimClient, topic: string, partition: number, wanted: ReadRecord): Promise<void> {
  const consumer = log.consumer()
  await consumer.assign([{ topic, partition, offset: wanted.offset }])
  for await (const batch of consumer.batches({ until: 'end' })) {
    const [first] = readRecordsOf(batch)
    if (first?.offset !== wanted.offset || first.value !== wanted.value) {
      throw new SimFailure(`${topic}-${partition}: reading from ${wanted.offset} begins at ${first?.offset}`)
    }
    break
  }
  await consumer.close()
}

async function findByTimestamp(
  { log }: SimClient,
  topic: string,
  partition: number,
  timestamp: number,
  records: readonly ReadRecord[],
): Promise<void> {
  const found = await log.admin.offset(topic, partition, { timestamp: Math.max(0, timestamp) })
  const expected = records.find((record) => record.timestamp >= timestamp)
  if (found.offset !== (expected?.offset ?? -1)) {
    const where = `${topic}-${partition} timestamp ${timestamp}`
    throw new SimFailure(`${where}: found offset ${found.offset}, and the first is ${expected?.offset ?? -1}`)
  }
}

/** After a clean close: every byte of every segment and index, and no file that should not be there. */
export function verifyFiles(world: World): void {
  const { fs } = world.env
  for (const name of fs.list(DIRECTORY)) {
    const directory = `${DIRECTORY}/${name}`
    if (fs.stat(directory)?.isDirectory !== true) continue
    // What a disk that failed kept of a deleted topic is as it was then; the next open deletes it.
    const topic = parsePartitionDirectoryName(name)?.topic
    if (![...world.model.topics.values()].some((known) => known.name === topic && known.existence === 'yes')) continue
    const files = fs.list(directory).map((file) => ({ file, parsed: parseSegmentFileName(file) }))
    const bases = files
      .flatMap(({ parsed }) => (parsed?.suffix === '.log' && parsed.transient === '' ? [parsed.baseOffset] : []))
      .sort((one, other) => one - other)
    bases.forEach((baseOffset, index) => {
      const report = verifySegment(fs, {
        directory,
        baseOffset,
        nextBaseOffset: bases[index + 1],
        withRecords: true,
        mayHaveHoles: false,
        isLive: false,
      })
      if (report.faultCount > 0) {
        throw new SimFailure(`after a clean close: ${JSON.stringify(report.faults)}`)
      }
      if (index === bases.length - 1) checkLeftOvers(directory, files, report.nextOffset)
    })
  }
}

function checkLeftOvers(
  directory: string,
  files: readonly { file: string; parsed: ReturnType<typeof parseSegmentFileName> }[],
  logEndOffset: number,
): void {
  for (const { file, parsed } of files) {
    const isStray = parsed !== undefined && (parsed.baseOffset > logEndOffset || parsed.transient === '.swap')
    if (isStray || file.endsWith('.tmp')) throw new SimFailure(`${directory}/${file}: the log ends at ${logEndOffset}`)
  }
}
