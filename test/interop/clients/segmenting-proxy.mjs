/**
 * A proxy that passes on every byte by itself, in both directions: whoever reads a frame has to put it together.
 *
 * A byte is written, and the next one in a later turn of the event loop, so that the reader, a process of its own, is
 * mostly woken in between. Nagle's algorithm is off, or the kernel would join them again.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** Bytes written in one turn, each by a write of its own: all turns of one byte would take minutes. */
const BYTES_A_TURN = 4

/**
 * @returns {Promise<{ address: string, forwardTo: (bootstrap: string) => void, bytes: () => number,
 *   close: () => Promise<void> }>} `address` is known before the server is, which must advertise it
 */
export async function startSegmentingProxy() {
  let target = { host: '', port: 0 }
  let bytes = 0
  const sockets = new Set()
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ ...target, noDelay: true })
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      passOn(from, to, (count) => (bytes += count))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `127.0.0.1:${server.address().port}`,
    forwardTo(bootstrap) {
      const [host, port] = bootstrap.split(':')
      target = { host, port: Number(port) }
    },
    bytes: () => bytes,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function passOn(from, to, count) {
  const queue = []
  let isPassing = false
  const pass = () => {
    for (let i = 0; i < BYTES_A_TURN && queue.length > 0 && !to.destroyed; i++) {
      const [chunk, position] = queue[0]
      to.write(chunk.subarray(position, position + 1))
      count(1)
      if (position + 1 === chunk.length) queue.shift()
      else queue[0][1]++
    }
    isPassing = queue.length > 0 && !to.destroyed
    if (isPassing) setImmediate(pass)
  }
  from.on('data', (chunk) => {
    queue.push([chunk, 0])
    if (isPassing) return
    isPassing = true
    setImmediate(pass)
  })
}
