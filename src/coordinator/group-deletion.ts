/**
 * DeleteGroups, and the end of an empty group of one protocol when a member of the other comes.
 */
import type { GroupEntry } from './group-entry.ts'
import { GroupError, groupWriteError } from './group-errors.ts'
import { isEmptyGroup, writeTombstones } from './offsets/delete.ts'

export function deleteGroup(entry: GroupEntry, answer: (errorCode: number) => void): void {
  if (!entry.exists) {
    answer(GroupError.GROUP_ID_NOT_FOUND)
    return
  }
  if (!isEmptyGroup(entry)) {
    answer(GroupError.NON_EMPTY_GROUP)
    return
  }
  const places = [...entry.offsets.entries()].map(([topic, partition]) => ({ topic, partition }))
  writeTombstones(entry, places, (error) => {
    if (error !== undefined) answer(groupWriteError(error))
    else dropGroup(entry, answer)
  })
}

/** The other protocol's group, which is empty, goes; `then` hears 0, or the error. */
export function convertTo(kind: 'classic' | 'consumer', entry: GroupEntry, then: (errorCode: number) => void): void {
  const isOther = kind === 'classic' ? entry.consumer !== undefined : entry.classic !== undefined
  if (isOther) dropGroup(entry, then)
  else then(GroupError.NONE)
}

function dropGroup(entry: GroupEntry, then: (errorCode: number) => void): void {
  const records = entry.groupTombstones()
  if (records.length === 0) {
    entry.forgetGroup(GroupError.UNKNOWN_MEMBER_ID)
    then(GroupError.NONE)
    return
  }
  entry.write(records, (error) => {
    if (error === undefined) entry.forgetGroup(GroupError.UNKNOWN_MEMBER_ID)
    then(error === undefined ? GroupError.NONE : groupWriteError(error))
  })
}
