/**
 * Requests and responses about committed offsets, as plain objects: newest version, Kafka's field names.
 *
 * Topics have a name and, since version 10 of commit and fetch, an id; the one that a version lacks is '' or the zero
 * UUID and is looked up.
 */

export interface OffsetCommitRequest {
  readonly groupId: string
  readonly generationIdOrMemberEpoch: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly topics: readonly {
    readonly name: string
    readonly topicId: string
    readonly partitions: readonly {
      readonly partitionIndex: number
      readonly committedOffset: number
      readonly committedLeaderEpoch: number
      readonly committedMetadata: string | null
    }[]
  }[]
}

export interface OffsetCommitResponse {
  throttleTimeMs: number
  topics: { name: string; topicId: string; partitions: { partitionIndex: number; errorCode: number }[] }[]
}

export interface OffsetFetchTopic {
  readonly name: string
  readonly topicId: string
  readonly partitionIndexes: readonly number[]
}

export interface OffsetFetchRequest {
  /** Versions 0 to 7 ask for one group here; `groups` is empty then. */
  readonly groupId: string
  readonly topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[] | null
  readonly groups: readonly {
    readonly groupId: string
    readonly memberId: string | null
    readonly memberEpoch: number
    /** null: all that the group has. */
    readonly topics: readonly OffsetFetchTopic[] | null
  }[]
  readonly requireStable: boolean
}

export interface FetchedTopic {
  name: string
  topicId: string
  partitions: {
    partitionIndex: number
    committedOffset: number
    committedLeaderEpoch: number
    metadata: string | null
    errorCode: number
  }[]
}

export interface OffsetFetchResponse {
  throttleTimeMs: number
  /** Versions 0 to 7. */
  topics: FetchedTopic[]
  /** Versions 2 to 7. */
  errorCode: number
  groups: { groupId: string; topics: FetchedTopic[]; errorCode: number }[]
}

export interface OffsetDeleteRequest {
  readonly groupId: string
  readonly topics: readonly { readonly name: string; readonly partitions: readonly { partitionIndex: number }[] }[]
}

export interface OffsetDeleteResponse {
  errorCode: number
  throttleTimeMs: number
  topics: { name: string; partitions: { partitionIndex: number; errorCode: number }[] }[]
}
