/**
 * BenchLog: an open log as the benches hold it, in the thread that opened it or in one that attached: the client's Log,
 * and the transport below it, which the probes of latency get between.
 */
import { availableParallelism } from 'node:os'
import { realEnv } from '../../base/env/real-env.ts'
import { Log } from '../../client/log.ts'
import { attachLocal, openLocal, type OpenedLocal } from '../../engine/open.ts'
import type { GroupLink } from '../../protocol/group-link.ts'
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

  readonly #groups: GroupLink

  private constructor({ transport, groups, address }: OpenedLocal) {
    this.transport = transport
    this.#groups = groups
    this.address = address
    this.log = new Log(transport, realEnv, address, groups)
  }

  /** Rejects with VltavaError DIRECTORY_*. */
  static async open(directory: string): Promise<BenchLog> {
    const opened = await openLocal(
      {
        directory,
        shards: shardCount(),
        memoryBytes: MEMORY_BYTES,
        retentionCheckMs: RETENTION_CHECK_MS,
        checkpointMs: CHECKPOINT_MS,
      },
      () => undefined,
    )
    return new BenchLog(opened)
  }

  static async attach(address: string): Promise<BenchLog> {
    return new BenchLog(await attachLocal(address, MEMORY_BYTES, () => undefined))
  }

  /** A Log over another transport, such as a probe, that leads to this one. */
  over(transport: Transport): Log {
    return new Log(transport, realEnv, this.address, this.#groups)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log.close()
  }
}

/** As open() of the package chooses. */
export function shardCount(): number {
  return Math.max(1, availableParallelism() - 1)
}
