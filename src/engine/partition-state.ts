/** What a client thread calls the state of a partition's slot. */
import { SlotState } from '../ring/watermarks.ts'

/** 'opening': its ends are not known yet. */
export type PartitionState = 'opening' | 'online' | 'offline' | 'deleted'

const STATES: Readonly<Record<SlotState, PartitionState>> = {
  [SlotState.FREE]: 'opening',
  [SlotState.OPENING]: 'opening',
  [SlotState.ONLINE]: 'online',
  [SlotState.OFFLINE]: 'offline',
  [SlotState.DELETED]: 'deleted',
}

export function stateName(state: SlotState): PartitionState {
  return STATES[state]
}
