/**
 * ConsumerGroupHeartbeat: the whole group protocol of KIP-848: joining, leaving, heartbeats and assignments.
 *
 * A field that did not change since the last heartbeat is null or -1.
 */
import { Api } from '../wire/api.ts'
import { array, int16, int32, string, struct, uuid } from '../wire/schema.ts'

const topicPartitions = {
  topicId: uuid(),
  partitions: array(int32()),
}

export const consumerGroupHeartbeat = new Api({
  key: 68,
  name: 'ConsumerGroupHeartbeat',
  versions: [0, 1],
  flexibleSince: 0,
  request: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    instanceId: string({ nullableSince: 0, default: null }),
    rackId: string({ nullableSince: 0, default: null }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    subscribedTopicNames: array(string(), { nullableSince: 0, default: null }),
    subscribedTopicRegex: string({ since: 1, nullableSince: 0, default: null }),
    serverAssignor: string({ nullableSince: 0, default: null }),
    topicPartitions: array(
      {
        topicId: uuid(),
        partitions: array(int32()),
      },
      { nullableSince: 0, default: null },
    ),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0, default: null }),
    memberId: string({ nullableSince: 0, default: null }),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    assignment: struct(
      {
        topicPartitions: array(topicPartitions),
      },
      { nullableSince: 0, default: null },
    ),
  },
})
