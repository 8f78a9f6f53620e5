/**
 * FindCoordinator. One node coordinates every group, so the answer is this broker, at the address of the listener that
 * the client came in by; it is given when the coordinator can be asked.
 *
 *   0 to 3   one key, answered at the top of the response
 *   4 to 6   several keys, each answered with the key (KIP-699); the top of the response is unused
 *
 * Key type 0 is a group. 1, a transactional id, and 2, a share group (version 6), have no coordinator here: they are
 * answered INVALID_REQUEST, which no client tries again.
 */
import { VltavaError } from '../../base/errors.ts'
import { kafkaError } from '../../protocol/kafka-errors.ts'
import type { findCoordinator } from '../../protocol/messages/10-find-coordinator.ts'
import type { Handler, RequestContext } from '../handler.ts'

const GROUP = 0
const BATCHED_SINCE = 4

interface Coordinator {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly errorCode: number
  readonly errorMessage: string | null
}

export const handleFindCoordinator: Handler<typeof findCoordinator> = async (request, context) => {
  const coordinator = await coordinatorOf(request.keyType, context)
  if (context.apiVersion < BATCHED_SINCE) return { throttleTimeMs: 0, ...coordinator, coordinators: [] }
  const coordinators = request.coordinatorKeys.map((key) => ({ key, ...coordinator }))
  return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, nodeId: 0, host: '', port: 0, coordinators }
}

async function coordinatorOf(keyType: number, { broker, groups, signal }: RequestContext): Promise<Coordinator> {
  if (keyType !== GROUP) {
    return nobody(kafkaError('INVALID_REQUEST'), `there are no coordinators of key type ${keyType} on this broker`)
  }
  try {
    await groups.ready(signal)
  } catch (error) {
    if (!(error instanceof VltavaError)) throw error
    return nobody(kafkaError('COORDINATOR_NOT_AVAILABLE'), error.message)
  }
  const { nodeId, host, port } = broker
  // Kafka's own text for success, which some clients print.
  return { nodeId, host, port, errorCode: 0, errorMessage: 'NONE' }
}

function nobody(errorCode: number, errorMessage: string): Coordinator {
  return { nodeId: -1, host: '', port: -1, errorCode, errorMessage }
}
