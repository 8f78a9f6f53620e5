/**
 * Thread entry of a net thread: attaches to the open log like any client thread, binds its addresses, and serves until
 * it is told to close, or the log closes.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import { realEnv } from '../base/env/real-env.ts'
import { realNet } from '../base/env/real-net.ts'
import { errnoOf, toErrorData, VltavaError } from '../base/errors.ts'
import { attachLocal } from '../engine/open.ts'
import type { NetListener } from '../base/env/net.ts'
import { type Identity, readIdentity } from './identity.ts'
import type { FromNet, ListenOrder, NetStart, ToNet } from './net-messages.ts'
import { NetServer } from './net-server.ts'
import { BrokerSettings } from './settings.ts'

assert(parentPort !== null, 'net-thread runs as a worker')
const port = parentPort
const start = workerData as NetStart

function send(message: FromNet): void {
  port.postMessage(message)
}

/** What may go wrong when an address is bound, in the words of who asked for it. */
function bindError(
  error: unknown,
  { host, port: wanted }: { readonly host: string; readonly port: number },
): VltavaError {
  const errno = errnoOf(error)
  if (errno === '') throw error
  const where = `${host}:${wanted}`
  if (errno === 'EADDRINUSE') {
    return new VltavaError('ADDRESS_IN_USE', `${where} is in use by another program; choose another port`)
  }
  return new VltavaError('ADDRESS_UNUSABLE', `cannot listen on ${where}: ${(error as Error).message}`)
}

async function serve(): Promise<void> {
  const { transport, groups } = await attachLocal(start.address, start.memoryBytes, () => undefined)
  const identity = readIdentity(realEnv.fs, transport.directory)
  const server = new NetServer({
    clusterId: identity.clusterId,
    env: realEnv,
    net: realNet,
    transport,
    groups,
    settings: new BrokerSettings(start.settings),
    log: (level, message) => send({ type: 'log', line: { level, message } }),
  })
  let isClosing = false
  const close = async (graceMs: number): Promise<void> => {
    if (isClosing) return
    isClosing = true
    await server.close(graceMs)
    await transport.close()
    send({ type: 'closed' })
    port.close()
  }
  port.on('message', (message: ToNet) => void close(message.graceMs))
  transport.onClose(() => void close(0))
  await transport.admin.ask({ type: 'giveSettings', settings: start.settings })
  const bound: NetListener[] = []
  let metricsPort: number | undefined
  try {
    for (const [i, order] of start.listeners.entries())
      bound.push(await bind(server, identity, order, start.adopted?.[i]))
    if (start.metrics !== undefined) metricsPort = await bindMetrics(server, start.metrics)
  } catch (error) {
    await server.close(0)
    await transport.close()
    throw error
  }
  const shared = Array.from({ length: start.sharerCount }, () => bound.flatMap((listener) => listener.share() ?? []))
  send({
    type: 'listening',
    ports: bound.map((listener) => listener.port),
    metricsPort,
    shared: shared.filter((descriptors) => descriptors.length === bound.length),
  })
}

async function bind(
  server: NetServer,
  identity: Identity,
  order: ListenOrder,
  adopted: number | undefined,
): Promise<NetListener> {
  const { host, port: wanted, advertisedHost, advertisedPort } = order
  try {
    return await server.listen(host, wanted, adopted, (bound) => ({
      ...identity,
      host: advertisedHost,
      port: advertisedPort ?? bound,
      rack: start.settings['broker.rack'] ?? null,
    }))
  } catch (error) {
    throw bindError(error, order)
  }
}

async function bindMetrics(server: NetServer, where: { host: string; port: number }): Promise<number> {
  try {
    return (await server.serveMetrics(where.host, where.port)).port
  } catch (error) {
    throw bindError(error, where)
  }
}

try {
  await serve()
} catch (error) {
  if (!(error instanceof VltavaError)) throw error
  send({ type: 'failed', error: toErrorData(error) })
  port.close()
}
