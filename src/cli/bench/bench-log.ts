/**
 * BenchLog: an open log as the benches hold it, in the thread that opened it or in one that attached: the client's Log,
 * and the transport below it, which the probes of latency get between.
 */
import { availableParallelism } from 'node:os'
import { realEnv } from '../../base/env/real-env.ts'
import { realDialer } from '../../base/env/real-dialer.ts'
import { ClusterTransport } from '../../client/cluster/cluster-transport.ts'
import { checkConnectOptions } from '../../client/cluster/settings.ts'
import { Log } from '../../client/log.ts'
import { attachLocal, openLocal, type OpenedLocal } from '../../engine/open.ts'
import type { GroupLink } from '../../protocol/group-link.ts'
import type { Transport } from '../../protocol/transport.ts'
import type { BenchDirectory } from './bench-directory.ts'
import type { BenchOptions } from './bench-options.ts'

/** What a run is about, and where. */
interface BenchPlace {
  readonly options: BenchOptions
  readonly directory: BenchDirectory
}

interface Opened extends Omit<OpenedLocal, 'transport' | 'groups'> {
  readonly transport: Transport
  readonly groups: GroupLink
}

/** Before an address that is a list of brokers. */
const BROKERS = 'brokers='

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

  private constructor({ transport, groups, address }: Opened) {
    this.transport = transport
    this.#groups = groups
    this.address = address
    this.log = new Log(transport, realEnv, address, groups)
  }

  /** Of the run's brokers, or else of its directory. Rejects with VltavaError DIRECTORY_*, BROKER_UNAVAILABLE. */
  static async open({ options, directory }: BenchPlace): Promise<BenchLog> {
    if (options.brokers !== undefined) return await BenchLog.attach(`${BROKERS}${options.brokers}`)
    const opened = await openLocal(
      {
        directory: directory.path,
        shards: shardCount(),
        memoryBytes: MEMORY_BYTES,
        retentionCheckMs: RETENTION_CHECK_MS,
        checkpointMs: CHECKPOINT_MS,
      },
      () => undefined,
    )
    return new BenchLog(opened)
  }

  /** As another thread uses the log; each has connections of its own to brokers. */
  static async attach(address: string): Promise<BenchLog> {
    if (address.startsWith(BROKERS)) {
      const settings = checkConnectOptions({ brokers: address.slice(BROKERS.length), clientId: 'vltava-bench' })
      const transport = await ClusterTransport.connect({ ...realEnv, dialer: realDialer }, settings)
      return new BenchLog({ transport, groups: transport.groups, address })
    }
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
