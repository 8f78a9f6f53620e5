/**
 * What a shard knows of a partition before its log is open: the order to open it.
 */
import type { LogConfig } from './topic-config.ts'

export interface PartitionLogSpec {
  readonly topic: string
  readonly partition: number
  readonly directory: string
  readonly topicId: string
  readonly config: LogConfig
  /** The whole data directory was closed cleanly. */
  readonly wasClean: boolean
  /** Another program's log: it may have been compacted, whatever `config` says. */
  readonly isAdopted?: boolean
  /** Everything below is durable, by the checkpoint; 0 if there is none. */
  readonly recoveryPoint: number
  readonly logStartOffset: number
  /** Called now and then during long scans, so that a supervisor sees life. */
  readonly onProgress: () => void
}
