/**
 * Rewrite: all that lives in a coordinator, appended once more as ordinary records, so that everything before can go.
 *
 * It goes through the groups one by one, in pieces, each in its group's turn: a piece is what the group holds at that
 * moment, and says nothing that the log did not say before. So a crash in the middle changes nothing, requests go on
 * between the pieces, and what changes meanwhile is appended behind. A piece is at most PIECE_RECORDS records.
 */
import type { CoordinatorState } from './coordinator-state.ts'
import type { GroupEntry } from './group-entry.ts'
import { type ConsumerGroupChange, consumerGroupRecord } from './records/consumer-group-records.ts'
import { offsetRecord } from './records/offset-records.ts'
import type { CoordinatorRecord } from './records/record-codec.ts'

const PIECE_RECORDS = 500

/** What a piece is to say, looked up when its turn comes. */
type Piece = () => CoordinatorRecord[]

export class Rewrite {
  readonly #state: CoordinatorState
  readonly #then: (error: Error | undefined) => void
  readonly #left: GroupEntry[]
  #pieces: Piece[] = []
  #entry: GroupEntry | undefined
  #isStepping = false
  #isStepDue = false

  constructor(state: CoordinatorState, then: (error: Error | undefined) => void) {
    this.#state = state
    this.#then = then
    this.#left = [...state.entries.values()].reverse()
  }

  step(): void {
    if (this.#isStepping) {
      this.#isStepDue = true
      return
    }
    this.#isStepping = true
    do {
      this.#isStepDue = false
      this.#next()
    } while (this.#isStepDue)
    this.#isStepping = false
  }

  #next(): void {
    while (this.#pieces.length === 0) {
      this.#entry = this.#left.pop()
      if (this.#entry === undefined) {
        this.#then(undefined)
        return
      }
      if (this.#state.entries.get(this.#entry.groupId) === this.#entry) this.#begin(this.#entry)
    }
    const entry = this.#entry!
    const piece = this.#pieces.shift()!
    // 'alone': nothing of the group is on its way to the log, so its state is what the log says.
    entry.lane.enqueue('alone', () => this.#write(entry, piece()))
    this.#state.releaseIfVoid(entry)
  }

  #write(entry: GroupEntry, records: CoordinatorRecord[]): void {
    if (records.length === 0) {
      this.step()
      return
    }
    entry.write(records, (error) => {
      if (error === undefined) this.step()
      else this.#then(error)
    })
  }

  #begin(entry: GroupEntry): void {
    this.#pieces.push(() => (entry.classicRecord === undefined ? [] : [entry.classicRecord]))
    const { groupId, consumer } = entry
    if (consumer !== undefined) {
      const memberIds = [...consumer.subscriptions.keys()]
      for (let at = 0; at < memberIds.length; at += PIECE_RECORDS / 5) {
        const some = memberIds.slice(at, at + PIECE_RECORDS / 5)
        this.#pieces.push(() => some.flatMap((memberId) => memberChanges(entry, memberId)).map(record))
      }
      this.#pieces.push(() => groupChanges(entry).map(record))
    }
    const places = [...entry.offsets.entries()].map(([topic, partition]) => ({ topic, partition }))
    for (let at = 0; at < places.length; at += PIECE_RECORDS) {
      const some = places.slice(at, at + PIECE_RECORDS)
      this.#pieces.push(() =>
        some.flatMap(({ topic, partition }) => {
          const offset = entry.offsets.get(topic, partition)
          return offset === undefined ? [] : [offsetRecord({ group: groupId, topic, partition }, offset)]
        }),
      )
    }
    function record(change: ConsumerGroupChange): CoordinatorRecord {
      return consumerGroupRecord(groupId, change)
    }
  }
}

function memberChanges({ consumer }: GroupEntry, memberId: string): ConsumerGroupChange[] {
  const subscription = consumer?.subscriptions.get(memberId)
  if (consumer === undefined || subscription === undefined) return []
  const changes: ConsumerGroupChange[] = [{ kind: 'member', memberId, value: subscription }]
  const target = consumer.targets.get(memberId)
  if (target !== undefined) changes.push({ kind: 'target', memberId, value: target })
  changes.push({ kind: 'current', memberId, value: consumer.current(memberId) })
  return changes
}

function groupChanges({ consumer }: GroupEntry): ConsumerGroupChange[] {
  if (consumer === undefined || consumer.isVoid) return []
  const { epoch, metadataHash, targetEpoch, regexes } = consumer
  const changes: ConsumerGroupChange[] = [{ kind: 'epoch', value: { epoch, metadataHash } }]
  for (const [regex, topics] of regexes) changes.push({ kind: 'regex', regex, value: { topics, timestamp: 0 } })
  changes.push({ kind: 'targetEpoch', value: targetEpoch })
  return changes
}
