/**
 * A connection that speaks Kafka's protocol by our own codec, as bare as can be: what it measures is the broker, not a
 * client. One request at a time.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { produce } from '../../dist/protocol/messages/00-produce.js'
import { metadata } from '../../dist/protocol/messages/03-metadata.js'
import { apiVersions } from '../../dist/protocol/messages/18-api-versions.js'
import { createTopics } from '../../dist/protocol/messages/19-create-topics.js'
import { readResponseHeader, writeRequestHeader } from '../../dist/protocol/wire/headers.js'
import { WireReader } from '../../dist/protocol/wire/wire-reader.js'
import { WireWriter } from '../../dist/protocol/wire/wire-writer.js'
import { BatchBuilder, NO_HEADERS } from '../../dist/record/batch-builder.js'

const VERSIONS = new Map([
  [produce, 9],
  [metadata, 9],
  [apiVersions, 3],
  [createTopics, 7],
])

export class WireClient {
  #socket
  #pending
  #received = []
  #receivedBytes = 0
  #correlationId = 0

  /** Rejects when nobody listens there. @param {string} bootstrap */
  static async connect(bootstrap) {
    const [host, port] = bootstrap.split(':')
    const client = new WireClient()
    const socket = connect({ host, port: Number(port), noDelay: true })
    client.#socket = socket
    await once(socket, 'connect')
    socket.on('data', (chunk) => client.#receive(chunk))
    socket.on('error', (error) => client.#fail(error))
    socket.on('close', () => client.#fail(new Error('the connection was closed')))
    return client
  }

  close() {
    this.#socket.destroy()
  }

  /** What every client asks first; also what an idle one has asked. */
  greet() {
    return this.#ask(apiVersions, { clientSoftwareName: 'bench', clientSoftwareVersion: '1' })
  }

  async createTopic(name, numPartitions) {
    const topics = [{ name, numPartitions, replicationFactor: -1, assignments: [], configs: [] }]
    const { topics: created } = await this.#ask(createTopics, { topics, timeoutMs: 10_000, validateOnly: false })
    return created[0].errorCode
  }

  /** @returns {Promise<number>} the error code of the partition */
  async produce(topic, partition, records, acks = 1) {
    const topicData = [{ name: topic, partitionData: [{ index: partition, records }] }]
    const answer = await this.#ask(produce, { transactionalId: null, acks, timeoutMs: 10_000, topicData })
    return answer.responses[0].partitionResponses[0].errorCode
  }

  async #ask(api, request) {
    const version = VERSIONS.get(api)
    const writer = new WireWriter()
    writer.int32(0)
    writeRequestHeader(writer, api, {
      apiKey: api.key,
      apiVersion: version,
      correlationId: ++this.#correlationId,
      clientId: 'bench',
    })
    api.request.write(writer, version, request)
    const frame = Buffer.concat(writer.pieces())
    frame.writeInt32BE(frame.length - 4)
    const answered = new Promise((resolve, reject) => (this.#pending = { resolve, reject }))
    this.#socket.write(frame)
    const reader = new WireReader(await answered)
    readResponseHeader(reader, api, version)
    return api.response.read(reader, version)
  }

  #receive(chunk) {
    this.#received.push(chunk)
    this.#receivedBytes += chunk.length
    if (this.#receivedBytes < 4) return
    const all = this.#received.length === 1 ? chunk : Buffer.concat(this.#received)
    this.#received = [all]
    if (all.length < 4 + all.readInt32BE()) return
    this.#received = []
    this.#receivedBytes = 0
    this.#pending.resolve(Uint8Array.prototype.slice.call(all, 4))
  }

  #fail(error) {
    this.#pending?.reject(error)
  }
}

/** A batch of `count` records of `size` bytes. */
export function makeBatch(count, size) {
  const bytes = new Uint8Array(61 + count * (size + 40))
  const builder = new BatchBuilder()
  builder.open(bytes, new DataView(bytes.buffer), 0, bytes.length)
  const value = new Uint8Array(size).fill(120)
  for (let i = 0; i < count; i++) builder.append(Date.now(), null, value, NO_HEADERS)
  return bytes.subarray(0, builder.close('none', undefined, 0))
}
