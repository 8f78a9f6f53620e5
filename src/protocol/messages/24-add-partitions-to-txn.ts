/**
 * AddPartitionsToTxn: partitions join a transaction.
 *
 * Up to 3 a producer asks for its own; from 4 on brokers ask each other, in batches.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, int64, string } from '../wire/schema.ts'

const addPartitionsToTxnTopic = {
  name: string(),
  partitions: array(int32()),
}

const addPartitionsToTxnPartitionResult = {
  partitionIndex: int32(),
  partitionErrorCode: int16(),
}

const addPartitionsToTxnTopicResult = {
  name: string(),
  resultsByPartition: array(addPartitionsToTxnPartitionResult),
}

export const addPartitionsToTxn = new Api({
  key: 24,
  name: 'AddPartitionsToTxn',
  versions: [0, 5],
  flexibleSince: 3,
  request: {
    transactions: array(
      {
        transactionalId: string(),
        producerId: int64(),
        producerEpoch: int16(),
        verifyOnly: boolean(),
        topics: array(addPartitionsToTxnTopic),
      },
      { since: 4 },
    ),
    v3AndBelowTransactionalId: string({ until: 3 }),
    v3AndBelowProducerId: int64({ until: 3 }),
    v3AndBelowProducerEpoch: int16({ until: 3 }),
    v3AndBelowTopics: array(addPartitionsToTxnTopic, { until: 3 }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16({ since: 4, ignorable: true }),
    resultsByTransaction: array(
      {
        transactionalId: string(),
        topicResults: array(addPartitionsToTxnTopicResult),
      },
      { since: 4 },
    ),
    resultsByTopicV3AndBelow: array(addPartitionsToTxnTopicResult, { until: 3 }),
  },
})
