/**
 * What a member of a consumer group may choose, with Kafka's names and defaults.
 */
import { VltavaError } from '../base/errors.ts'
import { ASSIGNORS, type AssignorName } from './group-assignors.ts'
import { checkNumber } from './producer-options.ts'
import type { TopicPartition } from './consumer-positions.ts'

/**
 * Called when partitions come and go, awaited before anything else happens to them: no record of a partition is handed
 * out before `assigned` returned, no other member gets it before `revoked` returned. Called between two batches, never
 * while the loop's body has one. An error thrown here ends the loop.
 */
export interface RebalanceListener {
  assigned?(partitions: readonly TopicPartition[]): void | Promise<void>
  /** They go to another member, or the consumer closes: the last moment to commit what was read of them. */
  revoked?(partitions: readonly TopicPartition[]): void | Promise<void>
  /** They are gone without asking; others may read them already, and nothing can be committed. Default: `revoked`. */
  lost?(partitions: readonly TopicPartition[]): void | Promise<void>
}

export interface GroupOptions {
  /** group.id: members with the same id share the partitions of what they subscribe to. */
  readonly group?: string
  /**
   * group.protocol: 'consumer' (KIP-848, the coordinator assigns) or 'classic' (a member assigns). Default: 'consumer',
   * and 'classic' where the group has members that speak it, or the broker does not know the other.
   */
  readonly groupProtocol?: 'consumer' | 'classic'
  /** group.instance.id: a static member (KIP-345), whose partitions wait for it while it restarts. */
  readonly groupInstanceId?: string
  /** group.remote.assignor, of the consumer protocol: 'uniform' or 'range'. Default: the coordinator's first. */
  readonly groupRemoteAssignor?: 'uniform' | 'range'
  /**
   * partition.assignment.strategy, of the classic protocol: what this member can assign by, best first. With
   * 'cooperative-sticky' alone, members keep reading during a rebalance. Default: all three.
   */
  readonly assignors?: readonly AssignorName[]
  /** enable.auto.commit. Commits batches whose loop body has ended. Default true, as in Kafka. */
  readonly autoCommit?: boolean
  /** auto.commit.interval.ms. Default 5,000. */
  readonly autoCommitIntervalMs?: number
  /** max.poll.interval.ms: a member that does not ask for a batch for so long leaves its group. Default 300,000. */
  readonly maxPollIntervalMs?: number
  /** session.timeout.ms, of the classic protocol over TCP. Default 45,000. */
  readonly sessionTimeoutMs?: number
  /** heartbeat.interval.ms, of the classic protocol. Default 3,000. */
  readonly heartbeatIntervalMs?: number
  /** client.rack */
  readonly rack?: string
}

export interface GroupSettings {
  readonly groupId: string
  readonly protocol: 'consumer' | 'classic' | undefined
  readonly instanceId: string | null
  readonly remoteAssignor: string | null
  readonly assignors: readonly AssignorName[]
  readonly isAutoCommit: boolean
  readonly autoCommitIntervalMs: number
  readonly maxPollIntervalMs: number
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly rack: string | null
}

const INT_MAX = 0x7fff_ffff

/** Throws VltavaError INVALID_ARGUMENT. */
export function checkGroupOptions(options: GroupOptions): GroupSettings | undefined {
  const { group: groupId, groupProtocol, groupInstanceId = null } = options
  if (groupId === undefined) return undefined
  if (typeof groupId !== 'string' || groupId === '') {
    throw new VltavaError('INVALID_ARGUMENT', `group=${JSON.stringify(groupId)} is no name of a group`)
  }
  if (![undefined, 'consumer', 'classic'].includes(groupProtocol)) {
    throw new VltavaError('INVALID_ARGUMENT', `groupProtocol=${String(groupProtocol)} is neither consumer nor classic`)
  }
  if (groupInstanceId === '') throw new VltavaError('INVALID_ARGUMENT', 'groupInstanceId is empty')
  const assignors = options.assignors ?? ASSIGNORS
  const unknown = assignors.find((name) => !ASSIGNORS.includes(name))
  if (unknown !== undefined || assignors.length === 0) {
    const message = `assignors=${assignors.join()}: each is one of ${ASSIGNORS.join(', ')}`
    throw new VltavaError('INVALID_ARGUMENT', message)
  }
  return {
    groupId,
    protocol: groupProtocol,
    instanceId: groupInstanceId,
    remoteAssignor: options.groupRemoteAssignor ?? null,
    assignors,
    isAutoCommit: options.autoCommit ?? true,
    autoCommitIntervalMs: checkNumber('autoCommitIntervalMs', options.autoCommitIntervalMs ?? 5000, 1, INT_MAX),
    maxPollIntervalMs: checkNumber('maxPollIntervalMs', options.maxPollIntervalMs ?? 300_000, 1, INT_MAX),
    sessionTimeoutMs: checkNumber('sessionTimeoutMs', options.sessionTimeoutMs ?? 45_000, 1, INT_MAX),
    heartbeatIntervalMs: checkNumber('heartbeatIntervalMs', options.heartbeatIntervalMs ?? 3000, 1, INT_MAX),
    rack: options.rack ?? null,
  }
}
