/** Whole messages of the wire protocol, one operation each: decoding gives objects, encoding bytes. */
import { fetch } from '../../src/protocol/messages/01-fetch.ts'
import { metadata } from '../../src/protocol/messages/03-metadata.ts'
import { produce } from '../../src/protocol/messages/00-produce.ts'
import type { MessageCodec, RequestOf, ResponseOf } from '../../src/protocol/wire/api.ts'
import type { Decoded, Encodable, Fields } from '../../src/protocol/wire/schema.ts'
import { WireReader } from '../../src/protocol/wire/wire-reader.ts'
import { WireWriter } from '../../src/protocol/wire/wire-writer.ts'
import { parameter, run } from '../harness.ts'

const partitionCount = 8
const metadataPartitions = parameter('partitions', 10, 1000)
const rounds = parameter('rounds', 1, 100)
const batch = new Uint8Array(parameter('batch', 61, 16 << 10))
const indexes = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

async function runCodec<F extends Fields>(
  name: string,
  codec: MessageCodec<F>,
  version: number,
  message: Encodable<Decoded<F>>,
): Promise<void> {
  const encode = (): Uint8Array => {
    const writer = new WireWriter()
    codec.write(writer, version, message)
    return writer.finish()
  }
  const frame = encode()
  const repeat = (once: () => number) => (): number => {
    let sum = 0
    for (let round = 0; round < rounds; round++) sum += once()
    return sum
  }
  await run(
    `${name}, ${frame.length} bytes, encode`,
    rounds,
    repeat(() => encode().length),
  )
  await run(
    `${name}, ${frame.length} bytes, decode`,
    rounds,
    repeat(() => {
      const reader = new WireReader(frame)
      codec.read(reader, version)
      return reader.position
    }),
  )
}

const produceRequest: Encodable<RequestOf<typeof produce>> = {
  acks: -1,
  timeoutMs: 30_000,
  topicData: [{ name: 'clicks', partitionData: indexes(partitionCount).map((index) => ({ index, records: batch })) }],
}
await runCodec(`Produce v9 request, ${partitionCount} partitions`, produce.request, 9, produceRequest)

const fetchResponse = (records: Uint8Array | { readonly sizeBytes: number }): Encodable<ResponseOf<typeof fetch>> => ({
  sessionId: 7,
  responses: [
    {
      topic: 'clicks',
      partitions: indexes(partitionCount).map((partitionIndex) => ({
        partitionIndex,
        highWatermark: 1e9,
        lastStableOffset: 1e9,
        logStartOffset: 0,
        abortedTransactions: null,
        records,
      })),
    },
  ],
})
await runCodec(`Fetch v12 response, ${partitionCount} partitions`, fetch.response, 12, fetchResponse(batch))

const external = fetchResponse({ sizeBytes: batch.length })
await run(`Fetch v12 response, ${partitionCount} partitions, records elsewhere, encode`, rounds, () => {
  let sum = 0
  for (let round = 0; round < rounds; round++) {
    const writer = new WireWriter()
    fetch.response.write(writer, 12, external)
    sum += writer.pieces().length
  }
  return sum
})

const metadataResponse: Encodable<ResponseOf<typeof metadata>> = {
  brokers: [{ nodeId: 1, host: 'localhost', port: 9092 }],
  clusterId: 'abcdefghijklmnopqrstuA',
  controllerId: 1,
  topics: [
    {
      name: 'clicks',
      topicId: 'abcdefghijklmnopqrstuA',
      partitions: indexes(metadataPartitions).map((partitionIndex) => ({
        partitionIndex,
        leaderId: 1,
        leaderEpoch: 0,
        replicaNodes: [1],
        isrNodes: [1],
      })),
    },
  ],
}
await runCodec(`Metadata v12 response, ${metadataPartitions} partitions`, metadata.response, 12, metadataResponse)
