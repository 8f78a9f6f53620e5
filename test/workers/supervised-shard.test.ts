/** SupervisedShard by hand: threads that a test starts, ends and lets speak. */
import { describe, expect, it } from 'vitest'
import { ENGINE_LIMITS, type ShardStart } from '../../src/workers/messages.ts'
import { CHECK_MS, HANG_MS, SupervisedShard, type ThreadHandle } from '../../src/workers/supervised-shard.ts'
import { Activity, Watermarks } from '../../src/ring/watermarks.ts'

class FakeThread implements ThreadHandle {
  readonly posted: unknown[] = []
  say: (message: unknown) => void = () => undefined
  end: (reason: string) => void = () => undefined

  post(message: unknown): void {
    this.posted.push(message)
  }
  onMessage(listener: (message: unknown) => void): void {
    this.say = listener
  }
  onEnd(listener: (reason: string) => void): void {
    this.end = listener
  }
  terminate(): Promise<void> {
    return Promise.resolve()
  }
}

function supervise() {
  let nowMs = 1000
  const starts: ShardStart[] = []
  const threads: FakeThread[] = []
  const failures: string[] = []
  const started = (): FakeThread => {
    const thread = new FakeThread()
    threads.push(thread)
    return thread
  }
  const shard = new SupervisedShard(
    0,
    { wallMs: () => nowMs, monotonicMs: () => nowMs },
    {
      shard: (start) => {
        starts.push(start)
        return started()
      },
      flusher: started,
    },
    { retentionCheckMs: 1000, limits: { ...ENGINE_LIMITS, slotCount: 4 } },
    (reason) => failures.push(reason),
    () => undefined,
  )
  return {
    shard,
    threads,
    failures,
    watermarks: () => new Watermarks(starts.at(-1)!.watermarks),
    pass: (milliseconds: number) => {
      for (const end = nowMs + milliseconds; nowMs < end;) {
        nowMs += CHECK_MS
        shard.check(CHECK_MS)
      }
    },
  }
}

describe('a shard that beats no more', () => {
  it('is given up, and what was asked of it rejects', async () => {
    const { shard, failures, watermarks, pass } = supervise()
    shard.start()
    watermarks().beat()
    const asked = shard.ask({ type: 'unlink', clientId: 'a' })
    pass(HANG_MS + 2 * CHECK_MS)
    expect(failures).toEqual([expect.stringMatching(/^shard 0 did not beat for \d+ ms$/)])
    await expect(asked).rejects.toMatchObject({ code: 'SHARD_UNAVAILABLE' })
  })

  it('may answer after that, before its thread has ended: nobody is waiting', async () => {
    const { shard, threads, watermarks, pass } = supervise()
    shard.start()
    watermarks().beat()
    const asked = shard.ask({ type: 'unlink', clientId: 'a' })
    pass(HANG_MS + 2 * CHECK_MS)
    await expect(asked).rejects.toMatchObject({ code: 'SHARD_UNAVAILABLE' })
    const { requestId } = threads[0]!.posted[0] as { requestId: number }
    threads[0]!.say({ type: 'reply', requestId, value: undefined })
  })

  it('waits for the disk, if it says so', () => {
    const { shard, failures, watermarks, pass } = supervise()
    shard.start()
    watermarks().beat()
    watermarks().setActivity(Activity.IN_SYSTEM_CALL)
    pass(100 * HANG_MS)
    expect(failures).toEqual([])
    watermarks().setActivity(Activity.RUNNING)
    pass(HANG_MS)
    expect(failures).toHaveLength(1)
  })
})

it('incarnations that die one after the other are restarted ever later, until one lives for a while', async () => {
  const { shard, threads, watermarks, pass } = supervise()
  const delays: number[] = []
  const die = async (ageMs: number): Promise<void> => {
    shard.start()
    watermarks().beat()
    for (let age = 0; age < ageMs; age += CHECK_MS) {
      pass(CHECK_MS)
      watermarks().beat()
    }
    threads.at(-2)!.end('threw')
    delays.push(shard.restartDelayMs())
    await shard.stop()
  }
  for (let death = 0; death < 12; death++) await die(0)
  expect(delays[0]).toBe(0)
  expect(delays).toEqual([...delays].sort((a, b) => a - b))
  expect(delays.at(-1)).toBe(1000)
  await die(20_000)
  expect(delays.at(-1)).toBe(0)
})
