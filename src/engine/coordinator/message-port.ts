/**
 * A GroupPort over a MessagePort of worker_threads.
 */
import type { MessagePort } from 'node:worker_threads'
import type { GroupPort } from './messages.ts'

export function groupPortOf<Out, In>(port: MessagePort): GroupPort<Out, In> {
  return {
    post: (message) => port.postMessage(message),
    onMessage(listener) {
      port.on('message', (message: In) => listener(message))
      port.unref() // Listening holds it.
    },
    onClose: (listener) => void port.once('close', listener),
    close: () => port.close(),
  }
}
