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
import { readIdentity } from './identity.ts'
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
function bindError(error: unknown, { host, port: wanted }: ListenOrder): VltavaError {
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
  const server = new NetServer({
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
  const identity = readIdentity(realEnv.fs, transport.directory)
  const ports: number[] = []
  for (const order of start.listeners) {
    const { host, advertisedHost, advertisedPort } = order
    try {
      const listener = await server.listen(host, order.port, (bound) => ({
        ...identity,
        host: advertisedHost,
        port: advertisedPort ?? bound,
        rack: start.settings['broker.rack'] ?? null,
      }))
      ports.push(listener.port)
    } catch (error) {
      const failure = bindError(error, order)
      await server.close(0)
      await transport.close()
      throw failure
    }
  }
  send({ type: 'listening', ports })
}

try {
  await serve()
} catch (error) {
  if (!(error instanceof VltavaError)) throw error
  send({ type: 'failed', error: toErrorData(error) })
  port.close()
}
