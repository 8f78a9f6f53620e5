/** A shard by hand: closing takes in what clients had published, and does not wait for those who never stop. */
import { expect, it } from 'vitest'
import { createSimEnv } from '../../src/base/env/sim-env.ts'
import { createArena } from '../../src/ring/arena.ts'
import { createDoorbell } from '../../src/ring/doorbell.ts'
import { createInterest } from '../../src/ring/interest.ts'
import { createRing, FULL, RingReader, RingWriter } from '../../src/ring/spsc.ts'
import { createWatermarks } from '../../src/ring/watermarks.ts'
import { type FromShard, PRODUCE, PRODUCE_BYTES, ringBytesFor } from '../../src/workers/messages.ts'
import { Shard } from '../../src/workers/shard.ts'

const LIMITS = {
  slotCount: 4,
  requestsMax: 16,
  syncOrdersMax: 16,
  flushersPerShard: 1,
  framesPerPoll: 4,
  writeBytesMax: 1 << 20,
  uncommittedBytesMax: 1 << 20,
}

it('answers what was published before it was told to close, and closes although a client goes on publishing', () => {
  const sent: FromShard[] = []
  const ring = (): SharedArrayBuffer => createRing(ringBytesFor(16))
  const doorbell = createDoorbell()
  const shard = new Shard(
    createSimEnv(1),
    {
      shardIndex: 0,
      watermarks: createWatermarks(1, LIMITS.slotCount),
      doorbell,
      retentionCheckMs: 1000,
      limits: LIMITS,
      flushers: [
        {
          syncRing: ring(),
          syncedRing: ring(),
          flusherDoorbell: createDoorbell(),
          shardDoorbell: doorbell,
          ordersMax: 16,
        },
      ],
    },
    (message) => sent.push(message),
  )
  const [requestRing, replyRing] = [ring(), ring()]
  const link = {
    clientId: 'c',
    arena: createArena(65_536),
    doorbell: createDoorbell(),
    requestRing,
    replyRing,
    interest: createInterest(LIMITS.slotCount),
  }
  shard.enqueue({ requestId: 1, request: { type: 'link', link } })
  shard.step()

  const requests = new RingWriter(requestRing)
  const replies = new RingReader(replyRing)
  const answered: number[] = []
  let published = 0
  const publish = (): void => {
    if (published - answered.length >= LIMITS.requestsMax) return
    const position = requests.claim(PRODUCE, PRODUCE_BYTES)
    expect(position).not.toBe(FULL)
    requests.view.setUint32(position, published++, true)
    requests.view.setUint32(position + 4, 3, true) // A slot that nobody opened: refused at once, no disk.
    requests.publish()
  }
  for (let i = 0; i < LIMITS.requestsMax; i++) publish()
  shard.enqueue({ requestId: 2, request: { type: 'close' } })
  let steps = 0
  for (; !shard.isClosed && steps < 1000; steps++) {
    shard.step()
    replies.poll((_type, position) => answered.push(replies.view.getUint32(position, true)), 100)
    while (published - answered.length < LIMITS.requestsMax) publish()
  }
  expect(shard.isClosed).toBe(true)
  expect(steps).toBeLessThan(20)
  expect(answered.slice(0, LIMITS.requestsMax)).toEqual(Array.from({ length: LIMITS.requestsMax }, (_, i) => i))
  expect(sent.at(-1)).toMatchObject({ type: 'reply', requestId: 2, value: { points: [], errors: [] } })
})
