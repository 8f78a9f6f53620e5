/**
 * UnregisterBroker: other brokers are not registered. Apache Kafka lets its only broker unregister itself, and serves
 * nobody from then on; here that is refused.
 */
import type { unregisterBroker } from '../../protocol/messages/64-unregister-broker.ts'
import type { Handler } from '../handler.ts'
import { refusal } from './outcome.ts'

export const handleUnregisterBroker: Handler<typeof unregisterBroker> = ({ brokerId }, { broker }) => ({
  throttleTimeMs: 0,
  ...(brokerId === broker.nodeId
    ? refusal('INVALID_REQUEST', `broker=${brokerId} is the only one, and stays`)
    : refusal('BROKER_ID_NOT_REGISTERED', `broker=${brokerId} is not registered`)),
})
