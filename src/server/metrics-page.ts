/**
 * MetricsPage: GET /metrics over HTTP/1.1 for Prometheus, one request for each connection. Small on purpose: it reads a
 * request's first line and nothing else, and what is not a GET of the page is answered and closed.
 */
import type { Net, NetConnection, NetListener } from '../base/env/net.ts'

const REQUEST_BYTES_MAX = 8 << 10
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
const HEAD_END = '\r\n\r\n'

export function serveMetrics(net: Net, host: string, port: number, page: () => string): Promise<NetListener> {
  return net.listen(host, port, (connection) => answer(connection, page))
}

function answer(connection: NetConnection, page: () => string): void {
  let head = ''
  let isAnswered = false
  connection.start({
    onData(chunk) {
      if (isAnswered) return
      head += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1')
      if (!head.includes(HEAD_END) && head.length <= REQUEST_BYTES_MAX) return
      isAnswered = true
      connection.write(responseTo(head, page))
      connection.end()
    },
    onDrain: () => undefined,
    onClose: () => undefined,
  })
}

function responseTo(head: string, page: () => string): Uint8Array {
  const [method = '', target = ''] = head.slice(0, Math.max(0, head.indexOf('\r\n'))).split(' ')
  if (!head.includes(HEAD_END)) return response('431 Request Header Fields Too Large', 'too long\n')
  if (method !== 'GET') return response('405 Method Not Allowed', 'GET /metrics\n')
  if (target !== '/metrics' && !target.startsWith('/metrics?')) return response('404 Not Found', 'see /metrics\n')
  return response('200 OK', page())
}

function response(status: string, body: string): Uint8Array {
  const bytes = Buffer.from(body)
  const head = `HTTP/1.1 ${status}\r\nContent-Type: ${CONTENT_TYPE}\r\nContent-Length: ${bytes.length}\r\nConnection: close`
  return Buffer.concat([Buffer.from(head + HEAD_END), bytes])
}
