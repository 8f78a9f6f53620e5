/**
 * Thread entry of a shard: loops the duty cycle, sleeps at the doorbell, reads control messages without an event loop.
 *
 * A bug in the shard throws out of the loop: the thread ends, the dispatcher sees it and starts a new incarnation from
 * disk. Nothing in here catches.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import { realEnv } from '../base/env/real-env.ts'
import { Doorbell } from '../ring/doorbell.ts'
import { type FromShard, LOADED, type ShardStart, type ToShard } from './messages.ts'
import { Shard } from './shard.ts'

/** Bounds every wait: the heartbeat goes on while the shard sleeps. */
const SLEEP_MS = 100
/** Idle cycles before the shard sleeps: a doorbell costs the producer a system call, a short look costs nothing. */
const IDLE_CYCLES_MAX = 64

assert(parentPort !== null, 'shard-thread runs as a worker')
const port = parentPort
port.postMessage(LOADED)
const start = workerData as ShardStart
const bell = new Doorbell(start.doorbell)
const shard = new Shard(realEnv, start, (message: FromShard) => port.postMessage(message))

function receiveControl(): boolean {
  let received = false
  for (;;) {
    const next = receiveMessageOnPort(port)
    if (next === undefined) return received
    shard.enqueue(next.message as ToShard)
    received = true
  }
}

let idleCycles = 0
while (!shard.isClosed) {
  const received = receiveControl()
  const wasBusy = shard.step()
  idleCycles = received || wasBusy ? 0 : idleCycles + 1
  if (idleCycles > IDLE_CYCLES_MAX) bell.sleep(() => shard.hasInput() || receiveControl(), SLEEP_MS)
}
