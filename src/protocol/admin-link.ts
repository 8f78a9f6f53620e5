/**
 * AdminLink: what the handlers of the listener ask of the engine beyond a Transport: outcomes topic by topic, settings,
 * quotas, the inside of partitions. Only an engine in this process answers it.
 */
import type { VolumeSize } from '../base/env/env.ts'
import type { ErrorData } from '../base/errors.ts'
import type { SettingChange } from '../settings/alter.ts'
import type { Overrides, QuotaEntry, Values } from '../settings/overrides.ts'

export interface NewTopicSpec {
  readonly topic: string
  /** -1: the broker's num.partitions, or as many as are assigned. */
  readonly partitions: number
  /** -1: the broker's default.replication.factor, or as assigned. */
  readonly replicationFactor: number
  /** Brokers of each partition; empty: the broker's choice. */
  readonly assignments: readonly { readonly partitionIndex: number; readonly brokerIds: readonly number[] }[]
  readonly configs: Values
}

export interface GrownTopicSpec {
  readonly topic: string
  readonly count: number
  /** Brokers of each new partition; null: the broker's choice. */
  readonly assignments: readonly { readonly brokerIds: readonly number[] }[] | null
}

export type ResourceKind = 'topic' | 'broker' | 'brokerDefault' | 'group' | 'clientMetrics'

/** A change of quotas: null takes one away. */
export interface QuotaChange {
  readonly entity: QuotaEntry['entity']
  readonly values: Readonly<Record<string, number | null>>
}

export type EngineRequest =
  | {
      readonly type: 'createEachTopic'
      readonly topics: readonly NewTopicSpec[]
      readonly nodeId: number
      readonly validateOnly: boolean
    }
  | { readonly type: 'deleteEachTopic'; readonly topics: readonly string[] }
  | {
      readonly type: 'growEachTopic'
      readonly topics: readonly GrownTopicSpec[]
      readonly nodeId: number
      readonly validateOnly: boolean
    }
  | {
      readonly type: 'alterSettings'
      readonly kind: ResourceKind
      /** Of the topic, group or subscription. */
      readonly name: string
      readonly changes: readonly SettingChange[]
      /** What is not among the changes goes back to its default. */
      readonly isReplacement: boolean
      readonly validateOnly: boolean
    }
  /** Settings that the broker was started with; they take the place of those given before. */
  | { readonly type: 'giveSettings'; readonly settings: Values }
  | { readonly type: 'alterQuotas'; readonly changes: readonly QuotaChange[] }
  | { readonly type: 'describeProducers'; readonly topic: string; readonly partition: number }

export interface CreatedTopic {
  readonly error?: ErrorData
  readonly topicId: string
  readonly partitions: number
}

export interface ProducerDescription {
  readonly producerId: number
  readonly producerEpoch: number
  /** -1: it has no batch here. */
  readonly lastSequence: number
  /** Milliseconds since 1970, or -1. */
  readonly lastTimestamp: number
  readonly coordinatorEpoch: number
  /** -1: it has no open transaction. */
  readonly currentTransactionFirstOffset: number
}

/** In the order of what was asked. */
export interface EngineReplies {
  createEachTopic: readonly CreatedTopic[]
  deleteEachTopic: readonly (ErrorData | undefined)[]
  growEachTopic: readonly (ErrorData | undefined)[]
  alterSettings: undefined
  giveSettings: undefined
  alterQuotas: undefined
  describeProducers: readonly ProducerDescription[]
}

/** What of a partition's leader epochs is asked. */
export interface LeaderEpochLookup {
  /** -1 when there is none. */
  latestEpoch(): number
  endOffsetFor(epoch: number, logEndOffset: number): { readonly epoch: number; readonly endOffset: number }
}

export interface AdminLink {
  /** The data directory. */
  readonly directory: string
  /** Of its file system; undefined where nobody knows. Throws StorageError. */
  volume(): VolumeSize | undefined
  /** As it is now, in this thread. */
  readonly overrides: Overrides
  /** Calls back when they changed; returns how to take that back. */
  onOverrides(listener: () => void): () => void
  /** Of all segments of a partition. Throws UnknownTopicOrPartitionError. */
  sizeBytes(topic: string, partition: number): number
  /** Throws UnknownTopicOrPartitionError, StorageError. */
  leaderEpochs(topic: string, partition: number): LeaderEpochLookup
  ask<R extends EngineRequest>(request: R, signal?: AbortSignal): Promise<EngineReplies[R['type']]>
}
