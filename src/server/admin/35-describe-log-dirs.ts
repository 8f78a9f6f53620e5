/**
 * DescribeLogDirs and AlterReplicaLogDirs: one directory, from which no partition can move. Sizes are those of the
 * segments' logs; the file system's own are those of statfs (version 4, KIP-827), or -1 where nobody knows.
 */
import { kafkaError } from '../../protocol/kafka-errors.ts'
import type { alterReplicaLogDirs } from '../../protocol/messages/34-alter-replica-log-dirs.ts'
import type { describeLogDirs } from '../../protocol/messages/35-describe-log-dirs.ts'
import type { ResponseOf } from '../../protocol/wire/api.ts'
import type { Handler, RequestContext } from '../handler.ts'

type Topic = ResponseOf<typeof describeLogDirs>['results'][number]['topics'][number]

const UNKNOWN_BYTES = -1

export const handleDescribeLogDirs: Handler<typeof describeLogDirs> = (request, context) => {
  const wanted =
    request.topics === null
      ? context.transport.topics().map(({ topic }) => ({ topic, partitions: undefined }))
      : request.topics
  const topics = wanted
    .map(({ topic, partitions }) => sizesOf(topic, partitions, context))
    .filter(({ partitions }) => partitions.length > 0)
  const { totalBytes, usableBytes } = context.admin.volume() ?? {
    totalBytes: UNKNOWN_BYTES,
    usableBytes: UNKNOWN_BYTES,
  }
  const directory = {
    errorCode: 0,
    logDir: context.admin.directory,
    topics,
    totalBytes,
    usableBytes,
    isCordoned: false,
  }
  return { throttleTimeMs: 0, errorCode: 0, results: [directory] }
}

/** Partitions that do not exist are left out. */
function sizesOf(topic: string, wanted: readonly number[] | undefined, context: RequestContext): Topic {
  const { admin, transport } = context
  const partitionCount = transport.topic(topic)?.partitionCount ?? 0
  const all = wanted ?? Array.from({ length: partitionCount }, (_, partition) => partition)
  const known = [...new Set(all)].filter((partition) => partition >= 0 && partition < partitionCount)
  const partitions = known.map((partition) => ({
    partitionIndex: partition,
    partitionSize: admin.sizeBytes(topic, partition),
    offsetLag: 0,
    isFutureKey: false,
  }))
  return { name: topic, partitions }
}

export const handleAlterReplicaLogDirs: Handler<typeof alterReplicaLogDirs> = (request, { admin, transport }) => {
  const outcomes = new Map<string, Map<number, number>>()
  for (const { path, topics } of request.dirs) {
    for (const { name, partitions } of topics) {
      const ofTopic = outcomes.get(name) ?? new Map<number, number>()
      outcomes.set(name, ofTopic)
      const partitionCount = transport.topic(name)?.partitionCount ?? 0
      for (const partition of partitions) {
        const isKnown = partition >= 0 && partition < partitionCount
        if (path !== admin.directory) ofTopic.set(partition, kafkaError('LOG_DIR_NOT_FOUND'))
        else ofTopic.set(partition, isKnown ? 0 : kafkaError('UNKNOWN_TOPIC_OR_PARTITION'))
      }
    }
  }
  const results = [...outcomes].map(([topicName, partitions]) => ({
    topicName,
    partitions: [...partitions].map(([partitionIndex, errorCode]) => ({ partitionIndex, errorCode })),
  }))
  return { throttleTimeMs: 0, results }
}
