/**
 * ConsumerGroupDescribe: state and members of groups of the KIP-848 protocol.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, int8, string, struct, uuid } from '../wire/schema.ts'

const topicPartitions = {
  topicId: uuid(),
  topicName: string(),
  partitions: array(int32()),
}

const assignment = {
  topicPartitions: array(topicPartitions),
}

export const consumerGroupDescribe = new Api({
  key: 69,
  name: 'ConsumerGroupDescribe',
  versions: [0, 1],
  flexibleSince: 0,
  request: {
    groupIds: array(string()),
    includeAuthorizedOperations: boolean(),
  },
  response: {
    throttleTimeMs: int32(),
    groups: array({
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0, default: null }),
      groupId: string(),
      groupState: string(),
      groupEpoch: int32(),
      assignmentEpoch: int32(),
      assignorName: string(),
      members: array({
        memberId: string(),
        instanceId: string({ nullableSince: 0, default: null }),
        rackId: string({ nullableSince: 0, default: null }),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: array(string()),
        subscribedTopicRegex: string({ nullableSince: 0, default: null }),
        assignment: struct(assignment),
        targetAssignment: struct(assignment),
        memberType: int8({ since: 1, default: -1, ignorable: true }),
      }),
      authorizedOperations: int32({ default: -0x8000_0000 }),
    }),
  },
})
