/** Connections: negotiation, timeouts, backoff, bounds, the bootstrap list. */
import { describe, expect, it } from 'vitest'
import { Connection } from '../../../src/client/cluster/connection.ts'
import { FrameAssembler } from '../../../src/client/cluster/frames.ts'
import { parseBrokers, checkConnectOptions } from '../../../src/client/cluster/settings.ts'
import { metadata } from '../../../src/protocol/messages/03-metadata.ts'
import { FakeCluster } from './fake-cluster.ts'

function open(cluster: FakeCluster, options: Parameters<FakeCluster['settings']>[0] = {}): Connection {
  const env = { clock: cluster.clock, timers: cluster.clock, random: cluster.random, dialer: cluster.dialer }
  return new Connection(env, cluster.settings(options), { host: 'node1', port: 9092 }, () => undefined)
}

describe('brokers', () => {
  it('are HOST:PORT, in an array or joined by commas', () => {
    expect(parseBrokers('a:1,b:2')).toEqual([
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
    ])
    expect(parseBrokers(['a.example:65535', '[::1]:9092'])).toEqual([
      { host: 'a.example', port: 65_535 },
      { host: '::1', port: 9092 },
    ])
  })

  it.each([[''], ['a'], ['a:'], ['a:0'], ['a:65536'], ['a:1:2'], [':1'], ['a b:1'], [undefined], [[7]], [[]]])(
    'are not %j',
    (brokers) => {
      expect(() => parseBrokers(brokers)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    },
  )

  it('must be given, and other options must make sense', () => {
    const wrong = [undefined, {}, { brokers: 'a:1', isolation: 'none' }, { brokers: 'a:1', requestTimeoutMs: 0 }]
    for (const options of wrong) {
      expect(() => checkConnectOptions(options as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    }
  })
})

describe('a frame', () => {
  const frame = Uint8Array.of(0, 0, 0, 5, 1, 2, 3, 4, 5)

  it('is put together wherever the stream is cut', () => {
    const bytes = Uint8Array.of(...frame, ...frame)
    for (let cut = 0; cut <= bytes.length; cut++) {
      const frames: Uint8Array[] = []
      const assembler = new FrameAssembler(100)
      assembler.push(bytes.subarray(0, cut), (each) => frames.push(each))
      assembler.push(bytes.subarray(cut), (each) => frames.push(each))
      expect(frames).toEqual([frame.slice(4), frame.slice(4)])
    }
  })

  it.each([[0xffff_ffff], [0], [3], [101]])('of length %i is refused before there is memory for it', (length) => {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, length)
    expect(() => new FrameAssembler(100).push(bytes, () => undefined)).toThrow('is not in 4 .. 100')
  })
})

describe('a connection', () => {
  it('asks which versions the broker has, and takes the newest of both', async () => {
    const cluster = new FakeCluster()
    cluster.versionsMax.set('Metadata', 7)
    const connection = await cluster.during(open(cluster).ready)
    expect(connection.versionOf(metadata)).toBe(7)
    expect(connection.versionOf(metadata, 5)).toBe(5)
    expect(connection.has(metadata, 8)).toBe(false)
  })

  it('understands a broker that lacks its version of ApiVersions', async () => {
    const cluster = new FakeCluster()
    cluster.versionsMax.set('ApiVersions', 2)
    const connection = await cluster.during(open(cluster).ready)
    expect(cluster.requestsOf('ApiVersions').map(({ version }) => version)).toEqual([4, 2])
    expect(connection.versionOf(metadata)).toBe(13)
  })

  it('refuses what the broker cannot do at all', async () => {
    const cluster = new FakeCluster()
    cluster.versionsMax.set('Metadata', -1)
    const connection = await cluster.during(open(cluster).ready)
    expect(() => connection.versionOf(metadata)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_VERSION' }))
  })

  it('ends when an answer does not come in time, and everything behind it fails with it', async () => {
    const cluster = new FakeCluster()
    const connection = await cluster.during(open(cluster, { requestTimeoutMs: 1000 }).ready)
    cluster.onRequest = () => 'hang'
    const codes = [1, 2, 3].map(() =>
      connection.request(metadata, 12, { topics: [] }).catch((error: { code: string }) => error.code),
    )
    await cluster.advance(1000)
    expect(await Promise.all(codes)).toEqual(Array.from({ length: 3 }, () => 'REQUEST_TIMED_OUT'))
    expect(connection.isClosed).toBe(true)
    await expect(connection.request(metadata, 12, {})).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
  })

  it('is silent for as long as the broker asks', async () => {
    const cluster = new FakeCluster()
    const connection = await cluster.during(open(cluster).ready)
    cluster.onRequest = () => ({ answer: { throttleTimeMs: 700 } })
    await connection.request(metadata, 12, { topics: [] })
    cluster.onRequest = () => 'answer'
    const second = connection.request(metadata, 12, { topics: [] })
    await cluster.advance(699)
    expect(cluster.requestsOf('Metadata')).toHaveLength(1)
    await cluster.advance(1)
    await second
  })

  it('that nobody uses is closed after a while', async () => {
    const cluster = new FakeCluster()
    const connection = await cluster.during(open(cluster, { connectionsMaxIdleMs: 5000 }).ready)
    await cluster.advance(4000)
    await connection.request(metadata, 12, { topics: [] })
    await cluster.advance(4900)
    expect(connection.isClosed).toBe(false)
    await cluster.advance(5100)
    expect(connection.isClosed).toBe(true)
  })
})

describe('connect()', () => {
  it('says which brokers it tried when nobody answers', async () => {
    const cluster = new FakeCluster([1, 2])
    cluster.kill(1)
    cluster.kill(2)
    await expect(cluster.transport({ connectTimeoutMs: 3000 })).rejects.toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      message: expect.stringMatching(/node1:9092.*ECONNREFUSED/) as string,
    })
    await cluster.advance(2000) // The last pause ends by itself.
    expect(cluster.clock.nextTimerMs(), 'no timer is left').toBeUndefined()
    expect(cluster.keptAlive).toBe(0)
  })

  it('tries with growing pauses, not in a circle', async () => {
    const cluster = new FakeCluster([1])
    cluster.kill(1)
    const connecting = cluster.transport({ connectTimeoutMs: 10_000 }).catch(() => undefined)
    await connecting
    expect(cluster.dialCount).toBeLessThan(25)
  })

  it('needs one of the addresses, and learns the others', async () => {
    const cluster = new FakeCluster([1, 2, 3])
    cluster.addTopic('t', 3)
    const transport = await cluster.transport({ brokers: ['node3:9092'] })
    await cluster.during(transport.remote.refreshTopics(['t']))
    await cluster.during(transport.remote.refreshEnds([0, 1, 2].map((partition) => ({ topic: 't', partition }))))
    expect(new Set(cluster.requestsOf('ListOffsets').map(({ nodeId }) => nodeId))).toEqual(new Set([1, 2, 3]))
    await transport.close()
  })

  it('finds the cluster again by the bootstrap list when all known brokers are gone', async () => {
    const cluster = new FakeCluster([1, 2])
    cluster.addTopic('t', 1)
    const transport = await cluster.transport({ brokers: ['node1:9092', 'node2:9092'] })
    cluster.kill(2)
    await cluster.during(transport.remote.refreshTopics(undefined))
    cluster.revive(2)
    cluster.kill(1) // The only one that is known.
    await cluster.during(transport.remote.refreshTopics(undefined))
    expect(cluster.requestsOf('Metadata').at(-1)!.nodeId).toBe(2)
    await transport.close()
  })

  it('tells of brokers that go and come', async () => {
    const cluster = new FakeCluster([1])
    cluster.addTopic('t', 1)
    const notices: string[] = []
    const transport = await cluster.transport({
      onNotice: ({ host, error }) => notices.push(`${host} ${error === undefined ? 'up' : 'down'}`),
    })
    await cluster.during(transport.remote.refreshTopics(undefined))
    cluster.cut()
    await cluster.during(transport.remote.refreshTopics(undefined))
    expect(notices.slice(-2)).toEqual(['node1 down', 'node1 up'])
    await transport.close()
  })
})
