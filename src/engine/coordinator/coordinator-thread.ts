/**
 * Thread entry of the group coordinators. It attaches to the log like any client thread, over its parent's port (its
 * parent is the dispatcher, so no other thread is on the way), and serves the ports that the dispatcher sends it.
 *
 * A bug in group code throws out of here: the thread ends, the dispatcher starts the next one, which reads the log.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { assert } from '../../base/assert.ts'
import { realEnv } from '../../base/env/real-env.ts'
import { randomUuid } from '../../base/uuid.ts'
import { type FromDispatcher, LOADED, type ToDispatcher } from '../../workers/messages.ts'
import { attachTransport } from '../attach.ts'
import { Control } from '../control-link.ts'
import { CoordinatorHost } from './coordinator-host.ts'
import { parseCoordinatorSettings } from './coordinator-settings.ts'
import { groupPortOf } from './message-port.ts'
import type { CoordinatorStart, FromCoordinator, ToCoordinator } from './messages.ts'

/** Records are small; a batch takes at most half of it. */
const MEMORY_BYTES = 4 << 20

type FromParent = FromDispatcher | { readonly type: 'client'; readonly port: MessagePort } | { readonly type: 'ping' }

assert(parentPort !== null, 'coordinator-thread runs as a worker')
const parent = parentPort
parent.postMessage(LOADED)
const { settings, isFirst } = workerData as CoordinatorStart

/** Ports that came before there was somebody to serve them; they keep their messages. */
const early: MessagePort[] = []
let host: CoordinatorHost | undefined

function admit(port: MessagePort): void {
  if (host === undefined) early.push(port)
  else host.admit(groupPortOf<FromCoordinator, ToCoordinator>(port))
}

const control = new Control(
  randomUuid(realEnv.random),
  (message: ToDispatcher) => parent.postMessage(message),
  () => undefined,
  () => Promise.resolve(),
)
const transport = await attachTransport(realEnv, control, MEMORY_BYTES, (receive) => {
  parent.on('message', (message: FromParent) => {
    if (message.type === 'client') admit(message.port)
    else if (message.type === 'ping') parent.postMessage({ type: 'pong' })
    else receive(message)
    if (message.type === 'closed') parent.close()
  })
})
host = new CoordinatorHost(realEnv, transport, parseCoordinatorSettings(settings), isFirst)
for (const port of early) admit(port)
await host.start()
