/** Requests over a socket, encoded and decoded by the tested codec: the same bytes for any broker. */
import { connect, type Socket } from 'node:net'
import { readResponseHeader, writeRequestHeader } from '../../../src/protocol/wire/headers.ts'
import { apiOf } from '../../../src/protocol/messages/apis.ts'
import { WireReader } from '../../../src/protocol/wire/wire-reader.ts'
import { WireWriter } from '../../../src/protocol/wire/wire-writer.ts'

const ANSWER_TIMEOUT_MS = 30_000

interface Waiting {
  resolve(frame: Buffer): void
  reject(error: Error): void
}

export class WireClient {
  readonly #socket: Socket
  readonly #waiting: Waiting[] = []
  #received = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    const fail = (): void => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the broker closed the connection'))
    }
    socket.on('close', fail)
    socket.on('error', fail)
  }

  static async connect(port: number): Promise<WireClient> {
    const socket = connect(port, '127.0.0.1')
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new WireClient(socket)
  }

  #take(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes])
    while (this.#received.length >= 4) {
      const length = this.#received.readInt32BE(0)
      if (this.#received.length < 4 + length) return
      const frame = this.#received.subarray(4, 4 + length)
      this.#received = this.#received.subarray(4 + length)
      this.#waiting.shift()?.resolve(frame)
    }
  }

  async call(apiKey: number, apiVersion: number, request: object): Promise<Record<string, unknown>> {
    const api = apiOf(apiKey)!
    const writer = new WireWriter()
    writeRequestHeader(writer, api, { apiKey, apiVersion, correlationId: 1, clientId: 'interop' })
    api.request.write(writer, apiVersion, request)
    const body = Buffer.concat(writer.pieces() as Uint8Array[])
    const length = Buffer.alloc(4)
    length.writeInt32BE(body.length)
    const frame = await new Promise<Buffer>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${api.name}`)), ANSWER_TIMEOUT_MS)
      this.#waiting.push({
        resolve: (answer) => {
          clearTimeout(timer)
          resolve(answer)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
      this.#socket.write(Buffer.concat([length, body]))
    })
    const reader = new WireReader(new Uint8Array(frame))
    readResponseHeader(reader, api, apiVersion)
    return api.response.read(reader, apiVersion)
  }

  close(): void {
    this.#socket.destroy()
  }
}
