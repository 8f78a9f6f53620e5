/**
 * CreateTopics: creates topics.
 *
 * Replicas are counted, or assigned: then numPartitions and replicationFactor are -1.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, int8, string, uuid } from '../wire/schema.ts'

export const createTopics = new Api({
  key: 19,
  name: 'CreateTopics',
  versions: [2, 7],
  flexibleSince: 5,
  request: {
    topics: array({
      name: string(),
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: array({
        partitionIndex: int32(),
        brokerIds: array(int32()),
      }),
      configs: array({
        name: string(),
        value: string({ nullableSince: 0 }),
      }),
    }),
    timeoutMs: int32({ default: 60_000 }),
    validateOnly: boolean(),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      name: string(),
      topicId: uuid({ since: 7, ignorable: true }),
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0 }),
      topicConfigErrorCode: int16({ since: 5, ignorable: true, tag: 0 }),
      numPartitions: int32({ since: 5, default: -1, ignorable: true }),
      replicationFactor: int16({ since: 5, default: -1, ignorable: true }),
      configs: array(
        {
          name: string(),
          value: string({ nullableSince: 0 }),
          readOnly: boolean(),
          configSource: int8({ default: -1 }),
          isSensitive: boolean(),
        },
        { since: 5, nullableSince: 0, ignorable: true },
      ),
    }),
  },
})
