/** Connections: order, limits, and what becomes of bytes that are no request. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchOf, type Client, fetchRequest, frameOf, type Harness, produceRequest, startServer } from './harness.ts'

let harness: Harness

beforeEach(async () => {
  harness = await startServer({ 'connections.max.idle.ms': '60000', 'max.connections.per.ip': '4' })
  await harness.createTopic('t')
})
afterEach(() => harness.close())

async function closesWith(client: Client, bytes: Uint8Array, reason: RegExp): Promise<void> {
  client.connection.send(bytes)
  await client.closed
  expect(harness.lines.join('\n')).toMatch(reason)
}

describe('requests', () => {
  it('are answered in order, however many come at once and however they are cut', async () => {
    const frames: Uint8Array[] = []
    for (let id = 1; id <= 40; id++) {
      const isProduce = id % 4 !== 0
      frames.push(
        isProduce ? frameOf(0, 9, produceRequest('t', batchOf([`v${id}`])), id) : frameOf(18, 3, software(), id),
      )
    }
    const stream = Buffer.concat(frames)
    for (const length of [stream.length, 1000, 17]) {
      const client = harness.client()
      for (let at = 0; at < stream.length; at += length) client.connection.send(stream.subarray(at, at + length))
      for (let id = 1; id <= 40; id++) {
        const frame = await client.nextFrame()
        expect(new DataView(frame.buffer, frame.byteOffset).getInt32(0), `pieces of ${length}`).toBe(id)
      }
      client.connection.hangUp()
    }
  })

  it('are not looked at while the answer before is not taken', async () => {
    const values = Array.from({ length: 200 }, (_, i) => `value ${i} `.repeat(20))
    await harness.client().ask(0, 9, produceRequest('t', batchOf(values)))
    const client = harness.client(100)
    for (let i = 0; i < 50; i++) client.send(1, 11, fetchRequest('t', 0))
    await new Promise((resolve) => setImmediate(resolve))
    expect(client.frameCount).toBe(0)
    expect([...harness.server.pendingCounts()].at(-1)).toBeLessThanOrEqual(2)
    client.connection.open(100 << 20)
    for (let i = 0; i < 50; i++) expect((await client.response(1, 11)).correlationId).toBe(i + 1)
  })

  it('of unknown APIs and versions end the connection, with a reason in the log', async () => {
    const unknownApi = frameOf(18, 0, {}).slice()
    unknownApi[5] = 99
    await closesWith(harness.client(), unknownApi, /API that is not served: key=99/)
    const oldProduce = frameOf(0, 3, produceRequest('t', batchOf(['v']))).slice()
    oldProduce[7] = 2
    await closesWith(harness.client(), oldProduce, /Produce request of version=2, known are 3 \.\. 13/)
  })

  it('that are cut short inside end the connection', async () => {
    const frame = frameOf(3, 9, { topics: [{ name: 'topic' }] })
    const cut = frame.slice(0, frame.length - 4)
    new DataView(cut.buffer).setInt32(0, cut.length - 4)
    await closesWith(harness.client(), cut, /Metadata request version=9/)
  })
})

describe('ApiVersions', () => {
  it('of a version that is not known is answered in version 0, with the list', async () => {
    const client = harness.client()
    const frame = frameOf(18, 3, software()).slice()
    frame[7] = 77
    client.connection.send(frame)
    const { body } = await client.response(18, 0)
    expect(body['errorCode']).toBe(35)
    expect(body['apiKeys']).toContainEqual({ apiKey: 0, minVersion: 0, maxVersion: 13 })
    expect((await client.ask(18, 3, software()))['errorCode']).toBe(0)
  })

  it('refuses a name that is none', async () => {
    const body = await harness.client().ask(18, 3, { clientSoftwareName: 'a b', clientSoftwareVersion: '1' })
    expect(body['errorCode']).toBe(42)
  })
})

describe('bytes that are no request', () => {
  it.each([
    ['a request of HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), /looks like HTTP/],
    ['a hello of TLS', Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 0]), /looks like TLS/],
    ['a negative length', Buffer.from([0xff, 0xff, 0xff, 0xff]), /sizeBytes=-1 holds no request/],
    ['a length of nothing', Buffer.from([0, 0, 0, 0]), /sizeBytes=0 holds no request/],
    ['a length over the limit', Buffer.from([0x7f, 0xff, 0xff, 0xff]), /over socket\.request\.max\.bytes=104857600/],
  ])('%s end the connection', async (_name, bytes, reason) => {
    await closesWith(harness.client(), bytes, reason)
    expect(harness.server.memory.heapBytes).toBe(0)
  })
})

describe('connections', () => {
  it('that are idle are closed, others are not', async () => {
    const [idle, busy] = [harness.client(), harness.client()]
    await idle.ask(18, 0, {})
    harness.time.advance(50_000)
    await busy.ask(18, 0, {})
    harness.time.advance(20_000)
    await idle.closed
    expect(busy.connection.isClosed).toBe(false)
  })

  it('that do not take their answer are closed like idle ones', async () => {
    await harness.client().ask(0, 9, produceRequest('t', batchOf(['v'.repeat(1000)])))
    const stuck = harness.client(10)
    stuck.send(1, 11, fetchRequest('t', 0))
    await expect.poll(() => stuck.partialBytes).toBe(10)
    harness.time.advance(70_000)
    await stuck.closed
  })

  it('that stop inside a request give way to others that want its memory', async () => {
    const frame = frameOf(0, 9, produceRequest('t', batchOf(['x'.repeat(900_000)])))
    const small = await startServer({}, 2 << 20)
    try {
      await small.createTopic('t')
      const stalled = small.client()
      stalled.connection.send(frame.subarray(0, 50_000))
      const other = small.client()
      other.connection.send(frame)
      const third = small.client()
      third.connection.send(frame)
      await other.nextFrame()
      await third.nextFrame()
      const hungry = [small.client(), small.client()]
      hungry[0]!.connection.send(frame.subarray(0, 50_000))
      hungry[1]!.connection.send(frame)
      expect(small.server.memory.waitingCount).toBe(1)
      small.time.advance(20_000)
      await stalled.closed
      await hungry[1]!.nextFrame()
    } finally {
      await small.close()
    }
  })

  it('are refused beyond max.connections.per.ip', async () => {
    const clients = Array.from({ length: 4 }, () => harness.client())
    const extra = harness.client()
    await extra.closed
    expect(harness.lines.join()).toMatch(/max\.connections\.per\.ip is reached/)
    clients[0]!.connection.hangUp()
    expect((await harness.client().ask(18, 0, {}))['errorCode']).toBe(0)
  })

  it('that end give back what half a frame held', async () => {
    const client = harness.client()
    client.connection.send(frameOf(3, 9, { topics: [{ name: 'a'.repeat(1000) }] }).subarray(0, 500))
    expect(harness.server.memory.heapBytes).toBeGreaterThan(0)
    client.connection.hangUp()
    expect(harness.server.memory.heapBytes).toBe(0)
  })
})

function software() {
  return { clientSoftwareName: 'test', clientSoftwareVersion: '1' }
}
