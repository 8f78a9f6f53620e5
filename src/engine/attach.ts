/**
 * attachTransport: introduces a thread to the dispatcher and makes its transport of what the dispatcher answers.
 *
 * It knows no thread: `listen` says how the dispatcher's messages come in, the control link how messages go out. The
 * simulator attaches here as well, with doorbells whose wake-ups its scheduler orders.
 */
import type { Env } from '../base/env/env.ts'
import { fromErrorData, VltavaError } from '../base/errors.ts'
import { SLAB_BYTES } from '../ring/arena.ts'
import { createDoorbell, Doorbell } from '../ring/doorbell.ts'
import type { FromDispatcher } from '../workers/messages.ts'
import type { Control } from './control-link.ts'
import { LocalTransport } from './local-transport.ts'

/**
 * Resolves when the dispatcher has linked this thread to every shard; rejects with the VltavaError that it failed with.
 * `memoryBytes`: of the thread's arena.
 */
export function attachTransport(
  env: Env,
  control: Control,
  memoryBytes: number,
  listen: (receive: (message: FromDispatcher) => void) => void,
  bellOf: (doorbell: SharedArrayBuffer) => Doorbell = (doorbell) => new Doorbell(doorbell),
): Promise<LocalTransport> {
  const doorbell = createDoorbell()
  return new Promise((resolve, reject) => {
    let transport: LocalTransport | undefined
    listen((message) => {
      if (control.receive(message)) return
      // To another thread of the log.
      if (message.type === 'failed' && (message.clientId ?? control.clientId) !== control.clientId) return
      if (transport !== undefined) {
        if (message.type === 'failed') transport.shutDown(fromErrorData(message.error))
        else transport.receive(message)
      } else if (message.type === 'failed') {
        reject(fromErrorData(message.error))
      } else if (message.type === 'closed') {
        reject(new VltavaError('LOG_CLOSED', 'the log was closed'))
      } else if (message.type === 'attached' && message.clientId === control.clientId) {
        transport = new LocalTransport(env, control, bellOf(doorbell), message)
        resolve(transport)
      }
    })
    control.introduce(Math.max(memoryBytes, 4 * SLAB_BYTES), doorbell)
  })
}
