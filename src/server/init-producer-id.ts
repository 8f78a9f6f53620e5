/**
 * InitProducerId: a fresh id for each idempotent producer, epoch 0 (KIP-98, KIP-360).
 *
 * - Without a transactional id every call gets a new id, also one that names its old one: that is always right.
 * - Transactional ids are not served: the coordinator is not available, which clients retry until they give up.
 */
import { VltavaError } from '../base/errors.ts'
import type { initProducerId } from '../protocol/messages/22-init-producer-id.ts'
import type { RequestOf } from '../protocol/wire/api.ts'
import type { Call } from './call.ts'
import { COORDINATOR_NOT_AVAILABLE, INVALID_REQUEST, NONE } from './error-codes.ts'

export async function serveInitProducerId(request: RequestOf<typeof initProducerId>, call: Call): Promise<object> {
  const { transactionalId } = request
  if (transactionalId === '') return { errorCode: INVALID_REQUEST, producerId: -1, producerEpoch: -1 }
  if (transactionalId !== null) {
    return { errorCode: COORDINATOR_NOT_AVAILABLE, producerId: -1, producerEpoch: -1 }
  }
  try {
    const producerId = await call.transport.request({ type: 'allocateProducerId' })
    return { errorCode: NONE, producerId, producerEpoch: 0 }
  } catch (error) {
    if (!(error instanceof VltavaError)) throw error
    return { errorCode: error.kafkaCode, producerId: -1, producerEpoch: -1 }
  }
}
