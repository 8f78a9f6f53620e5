/**
 * DescribeGroups and ConsumerGroupDescribe: besides what the coordinator knows, the operations that the asking client
 * may carry out on a group, if it wants to know them (versions 3 and later, and 0). Without authorisation: all that
 * there are.
 */
import { consumerGroupDescribe } from '../../protocol/messages/69-consumer-group-describe.ts'
import { describeGroups } from '../../protocol/messages/15-describe-groups.ts'
import type { Handler } from '../handler.ts'
import { askCoordinator } from './coordinated.ts'

/** READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS: a bit for each, at Kafka's number of the operation. */
const GROUP_OPERATIONS = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11)

export const handleDescribeGroups: Handler<typeof describeGroups> = async (request, context) => {
  const answer = await askCoordinator(describeGroups, request, context)
  if (request.includeAuthorizedOperations) tellOperations(answer.groups)
  return answer
}

export const handleConsumerGroupDescribe: Handler<typeof consumerGroupDescribe> = async (request, context) => {
  const answer = await askCoordinator(consumerGroupDescribe, request, context)
  if (request.includeAuthorizedOperations) tellOperations(answer.groups)
  return answer
}

function tellOperations(groups: { errorCode: number; authorizedOperations: number }[]): void {
  for (const group of groups) if (group.errorCode === 0) group.authorizedOperations = GROUP_OPERATIONS
}
