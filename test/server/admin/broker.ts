/**
 * A broker for tests of handlers: a real log with its threads, a client thread's transport, and requests that go through
 * the codec of their version both ways. No socket.
 */
import { attachLocal } from '../../../dist/engine/open.js'
import { ADMIN_HANDLERS } from '../../../dist/server/admin/handlers.js'
import { WireReader } from '../../../src/protocol/wire/wire-reader.ts'
import { WireWriter } from '../../../src/protocol/wire/wire-writer.ts'
import type { Api, RequestOf, ResponseOf } from '../../../src/protocol/wire/api.ts'
import type { Encodable } from '../../../src/protocol/wire/schema.ts'
import type { LocalTransport } from '../../../src/engine/local-transport.ts'
import type { RequestContext } from '../../../src/server/handler.ts'
import { onCleanup, openLog, type OpenedLog } from '../../workers/harness.ts'

export const NODE_ID = 1
const MEMORY_BYTES = 1 << 20

export interface TestBroker extends OpenedLog {
  readonly transport: LocalTransport
  call<A extends Api>(api: A, version: number, request: Encodable<RequestOf<A>>): Promise<ResponseOf<A>>
}

/** `dir`: of a broker that was closed before. */
export async function startBroker(dir?: string): Promise<TestBroker> {
  const opened = await openLog(dir === undefined ? {} : { dir })
  const attached = await attachLocal(opened.log.address, MEMORY_BYTES, () => undefined)
  const transport = attached.transport as unknown as LocalTransport
  onCleanup(() => transport.close())
  return { ...opened, transport, call: (api, version, request) => call(transport, api, version, request) }
}

async function call<A extends Api>(
  transport: LocalTransport,
  api: A,
  apiVersion: number,
  request: Encodable<RequestOf<A>>,
): Promise<ResponseOf<A>> {
  const context: RequestContext = {
    apiVersion,
    clientId: 'test',
    clientHost: '/127.0.0.1',
    broker: { clusterId: 'test-cluster', nodeId: NODE_ID, host: '127.0.0.1', port: 9092, rack: null },
    transport,
    admin: transport.admin,
    groups: undefined as never, // No handler of these asks it.
    clock: { wallMs: () => Date.now(), monotonicMs: () => performance.now() } as RequestContext['clock'],
    setting: () => undefined,
    signal: new AbortController().signal,
  }
  const asked = new WireWriter()
  api.request.write(asked, apiVersion, request as never)
  const handler = ADMIN_HANDLERS.get(api.key)! as unknown as (request: unknown, context: unknown) => unknown
  const answer = await handler(api.request.read(new WireReader(bytesOf(asked)), apiVersion), context)
  const answered = new WireWriter()
  api.response.write(answered, apiVersion, answer as never)
  return api.response.read(new WireReader(bytesOf(answered)), apiVersion) as ResponseOf<A>
}

function bytesOf(writer: WireWriter): Uint8Array {
  return Buffer.concat(writer.pieces() as Uint8Array[])
}
