/** Whether a client's idea of a partition's leader epoch is ours (KIP-320). */
import type { LocalTransport } from '../engine/local-transport.ts'
import { FENCED_LEADER_EPOCH, NONE, UNKNOWN_LEADER_EPOCH } from './error-codes.ts'

/** An error code; -1 is no idea, and always right. Throws UnknownTopicOrPartitionError. */
export function epochFault(transport: LocalTransport, topic: string, partition: number, clientEpoch: number): number {
  if (clientEpoch < 0) return NONE
  const epoch = transport.leaderEpochs(topic, partition).latestEpoch()
  if (clientEpoch < epoch) return FENCED_LEADER_EPOCH
  return clientEpoch > epoch ? UNKNOWN_LEADER_EPOCH : NONE
}
