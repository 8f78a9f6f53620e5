/**
 * BenchLog: an open log as the benches hold it, in the thread that opened it or in one that attached: the client's Log,
 * and the transport below it, which the probes of latency get between.
 */
import { availableParallelism } from 'node:os'
import { realEnv } from '../../base/env/real-env.ts'
import { Log } from '../../client/log.ts'
import { attachLocal, openLocal } from '../../engine/open.ts'
import type { Transport } from '../../protocol/transport.ts'

/** As open() of the package has it. */
const MEMORY_BYTES = 32 << 20
const CHECKPOINT_MS = 5_000

/** Often, unlike Kafka's five minutes: the longest runs live on a small disk because of it. */
const RETENTION_CHECK_MS = 5_000

export class BenchLog implements AsyncDisposable {
  readonly log: Log
  readonly transport: Transport
  readonly address: string

  private constructor(transport: Transport, address: string) {
    this.transport = transport
    this.address = address
    this.log = new Log(transport, realEnv.clock, address)
  }

  /** Rejects with VltavaError DIRECTORY_*. */
  static async open(directory: string): Promise<BenchLog> {
    const { transport, address } = await openLocal(
      {
        directory,
        shards: shardCount(),
        memoryBytes: MEMORY_BYTES,
        retentionCheckMs: RETENTION_CHECK_MS,
        checkpointMs: CHECKPOINT_MS,
      },
      () => undefined,
    )
    return new BenchLog(transport, address)
  }

  static async attach(address: string): Promise<BenchLog> {
    const { transport } = await attachLocal(address, MEMORY_BYTES, () => undefined)
    return new BenchLog(transport, address)
  }

  /** A Log over another transport, such as a probe, that leads to this one. */
  over(transport: Transport): Log {
    return new Log(transport, realEnv.clock, this.address)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log.close()
  }
}

/** As open() of the package chooses. */
export function shardCount(): number {
  return Math.max(1, availableParallelism() - 1)
}
