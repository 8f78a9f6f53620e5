/**
 * Thread entry of a bench: attaches to the log that the main thread has open, says so, plays its role when told to go,
 * and reports the outcome. The role's code is the same that runs in the main thread.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { assert, unreachable } from '../../base/assert.ts'
import { BenchLog } from './bench-log.ts'
import { runFollower, runReader } from './consumer-role.ts'
import type { FromThread, Outcomes, Role, ThreadStart, ToThread } from './messages.ts'
import { runProducer } from './producer-role.ts'
import { readFrames } from './ring-role.ts'
import { SharedClock } from './shared-clock.ts'

assert(parentPort !== null, 'bench-thread runs as a worker')
const port = parentPort
const { role, originMs } = workerData as ThreadStart
const clock = new SharedClock(originMs)
const controller = new AbortController()
let appended: readonly number[] | undefined
let seenByFollower: BigInt64Array | undefined

const go = new Promise<void>((resolve) => {
  port.on('message', (message: ToThread) => {
    if (message.type === 'go') resolve()
    else if (message.type === 'abort') controller.abort()
    else {
      appended = message.counts
      // A follower that has seen everything waits for more: this ends its wait.
      const total = message.counts.reduce((sum, count) => sum + count, 0)
      if (seenByFollower !== undefined && Number(Atomics.load(seenByFollower, 0)) >= total) controller.abort()
    }
  })
})

try {
  const outcome = await play(role)
  send({ type: 'done', outcome })
} catch (error) {
  // The main thread throws it again; a stack is for bugs.
  send({ type: 'failed', message: error instanceof Error ? error.message : String(error) })
}
port.close()

function send(message: FromThread): void {
  port.postMessage(message)
}

async function ready(): Promise<void> {
  send({ type: 'ready' })
  await go
}

async function play(part: Role): Promise<Outcomes[keyof Outcomes]> {
  if (part.type === 'ring') {
    await ready()
    return readFrames(clock, part.plan)
  }
  await using benchLog = await BenchLog.attach(part.address)
  await ready()
  const { signal } = controller
  switch (part.type) {
    case 'producer':
      return await runProducer(benchLog, clock, part.plan, signal)
    case 'reader':
      return await runReader(benchLog.log, clock, part.plan)
    case 'follower': {
      seenByFollower = new BigInt64Array(part.seen)
      return await runFollower(benchLog.log, clock, part.plan, { seen: seenByFollower }, () => appended, signal)
    }
    default:
      return unreachable(part)
  }
}
