/**
 * CommitWatch: appended batches of acks=all that wait for the disk, over all connections of a thread. It is told by the
 * transport when a partition with such batches moves, and looks at that one, oldest first.
 */
import type { LocalTransport } from '../../engine/local-transport.ts'

export type CommitOutcome = 'committed' | 'lost' | 'gone' | 'failed'

interface Waiting {
  readonly endOffset: number
  readonly generation: number
  readonly onOutcome: (outcome: CommitOutcome) => void
}

interface Lane {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly waiting: Waiting[]
  stop: () => void
}

export class CommitWatch {
  readonly #transport: LocalTransport
  readonly #lanes = new Map<string, Lane>()

  constructor(transport: LocalTransport) {
    this.#transport = transport
  }

  /**
   * `onOutcome` is called once, perhaps at once: 'lost' if the log was opened anew and may lack the batch, 'gone' if the
   * topic was deleted, 'failed' if the partition has stopped.
   */
  add(
    topic: string,
    topicId: string,
    partition: number,
    endOffset: number,
    generation: number,
    onOutcome: (outcome: CommitOutcome) => void,
  ): void {
    const key = `${topicId}/${partition}`
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = { topic, topicId, partition, waiting: [], stop: () => undefined }
      const waiting = { endOffset, generation, onOutcome }
      const outcome = this.#outcomeOf(lane, waiting)
      if (outcome !== undefined) {
        onOutcome(outcome)
        return
      }
      const made = lane
      lane.stop = this.#transport.onMove(topic, partition, () => this.#look(key, made))
      this.#lanes.set(key, lane)
    }
    lane.waiting.push({ endOffset, generation, onOutcome })
    // It may have been committed while nobody listened.
    this.#look(key, lane)
  }

  #look(key: string, lane: Lane): void {
    const done: [Waiting, CommitOutcome][] = []
    for (let first = lane.waiting[0]; first !== undefined; first = lane.waiting[0]) {
      const outcome = this.#outcomeOf(lane, first)
      if (outcome === undefined) break
      lane.waiting.shift()
      done.push([first, outcome])
    }
    if (lane.waiting.length === 0 && this.#lanes.get(key) === lane) {
      this.#lanes.delete(key)
      lane.stop()
    }
    for (const [{ onOutcome }, outcome] of done) onOutcome(outcome)
  }

  #outcomeOf(lane: Lane, { endOffset, generation }: Waiting): CommitOutcome | undefined {
    const { topic, topicId, partition } = lane
    if (this.#transport.isClosed) return 'failed'
    if (this.#transport.topic(topic)?.topicId !== topicId) return 'gone'
    const state = this.#transport.commitState(topic, partition, endOffset, generation)
    if (state !== 'waiting') return state
    return this.#transport.partitionFailure(topic, partition) === undefined ? undefined : 'failed'
  }
}
