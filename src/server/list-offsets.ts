/**
 * ListOffsets: the offset of a timestamp, and the ends of the log (KIP-79, KIP-734, KIP-405, KIP-1005, KIP-1023).
 *
 *   -1 latest          the high watermark, with timestamp -1
 *   -2 earliest        the log's start
 *   -3 max timestamp   the record with the greatest one (v7)
 *   -4 earliest local  the log's start: nothing is elsewhere (v8)
 *   -5 latest tiered   -1: nothing is (v9)
 *   -6 earliest pending upload: -1 (v11)
 *   t >= 0             the first record at or after t, or -1
 *
 * A special timestamp that the version does not know is UNSUPPORTED_VERSION; a partition twice in one request is
 * INVALID_REQUEST.
 */
import { VltavaError } from '../base/errors.ts'
import type { listOffsets } from '../protocol/messages/02-list-offsets.ts'
import type { OffsetAndTimestamp } from '../protocol/transport.ts'
import type { RequestOf } from '../protocol/wire/api.ts'
import type { Call } from './call.ts'
import { INVALID_REQUEST, NONE, UNSUPPORTED_VERSION } from './error-codes.ts'
import { epochFault } from './leader-epoch.ts'

const LATEST = -1
const EARLIEST = -2
const MAX_TIMESTAMP = -3
const EARLIEST_LOCAL = -4
const LATEST_TIERED = -5
const EARLIEST_PENDING_UPLOAD = -6
const LEADER_EPOCH_SINCE_VERSION = 4
/** From which version on each is known. */
const KNOWN_SINCE = new Map([
  [LATEST, 1],
  [EARLIEST, 1],
  [MAX_TIMESTAMP, 7],
  [EARLIEST_LOCAL, 8],
  [LATEST_TIERED, 9],
  [EARLIEST_PENDING_UPLOAD, 11],
])

type Request = RequestOf<typeof listOffsets>
type PartitionRequest = Request['topics'][number]['partitions'][number]

interface PartitionAnswer {
  readonly partitionIndex: number
  readonly errorCode: number
  readonly timestamp?: number
  readonly offset?: number
  readonly leaderEpoch?: number
}

export async function serveListOffsets(request: Request, call: Call): Promise<object> {
  call.releaseFrame()
  const counts = new Map<string, number>()
  for (const { name, partitions } of request.topics) {
    for (const { partitionIndex } of partitions) {
      const key = `${name}-${partitionIndex}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
  }
  const topics = await Promise.all(
    request.topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(
        partitions.map((partition) => {
          const isTwice = counts.get(`${name}-${partition.partitionIndex}`)! > 1
          return answer(name, partition, call, isTwice)
        }),
      ),
    })),
  )
  return { topics }
}

async function answer(
  topic: string,
  partition: PartitionRequest,
  call: Call,
  isTwice: boolean,
): Promise<PartitionAnswer> {
  const { partitionIndex, currentLeaderEpoch, timestamp } = partition
  if (isTwice) return { partitionIndex, errorCode: INVALID_REQUEST }
  const since = timestamp >= 0 ? 1 : KNOWN_SINCE.get(timestamp)
  if (since === undefined || call.apiVersion < since) return { partitionIndex, errorCode: UNSUPPORTED_VERSION }
  const { transport } = call
  try {
    const fault = epochFault(transport, topic, partitionIndex, currentLeaderEpoch)
    if (fault !== NONE) return { partitionIndex, errorCode: fault }
    const failure = transport.partitionFailure(topic, partitionIndex)
    if (failure !== undefined) throw new VltavaError(failure.code, failure.message)
    const found = await find(topic, partitionIndex, timestamp, call)
    if (found.offset < 0) return { partitionIndex, errorCode: NONE }
    const answered = { partitionIndex, errorCode: NONE, timestamp: found.timestamp, offset: found.offset }
    if (call.apiVersion < LEADER_EPOCH_SINCE_VERSION) return answered
    return { ...answered, leaderEpoch: transport.leaderEpochs(topic, partitionIndex).epochForOffset(found.offset) }
  } catch (error) {
    if (!(error instanceof VltavaError)) throw error
    return { partitionIndex, errorCode: error.kafkaCode }
  }
}

function find(topic: string, partition: number, timestamp: number, call: Call): Promise<OffsetAndTimestamp> {
  const { transport } = call
  switch (timestamp) {
    case LATEST:
      return transport.lookup(topic, partition, 'end')
    case EARLIEST:
    case EARLIEST_LOCAL:
      return transport.lookup(topic, partition, 'start')
    case MAX_TIMESTAMP:
      return transport.lookup(topic, partition, 'max-timestamp')
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return Promise.resolve({ offset: -1, timestamp: -1 })
    default:
      return transport.lookup(topic, partition, { timestamp })
  }
}
