/**
 * A member of a classic group, as a client is one: joins, syncs (with an assignment, if it leads), beats, and joins
 * again when it is told to.
 */
import type { JoinGroupResponse, SyncGroupResponse } from '../../src/coordinator/classic-messages.ts'
import type { Answer, SimCoordinator, Awaited } from './sim-coordinator.ts'

const RETRIABLE = new Set([14, 15, 16, 27])

export class ModelClassic {
  readonly groupId: string
  readonly instanceId: string | null
  memberId = ''
  /** Of its last sync; -1: it has to join. */
  generation = -1
  /** What the leader gave it in that generation. */
  assignment = ''
  #join: Answer<JoinGroupResponse> | undefined
  #sync: Answer<SyncGroupResponse> | undefined
  #observed: Answer<SyncGroupResponse> | undefined
  #beat: Answer<{ errorCode: number }> | undefined
  #joined: JoinGroupResponse | undefined
  readonly #metadata: string

  constructor(groupId: string, name: string, isStatic: boolean) {
    this.groupId = groupId
    this.instanceId = isStatic ? `instance-${name}` : null
    this.#metadata = name
  }

  get answers(): Awaited[] {
    return [this.#join, this.#sync, this.#beat].filter((answer) => answer !== undefined)
  }

  disconnect(): void {
    this.#join = undefined
    this.#sync = undefined
    this.#beat = undefined
  }

  restart(): void {
    this.disconnect()
    this.memberId = ''
    this.#mustJoin()
  }

  #mustJoin(): void {
    this.generation = -1
    this.assignment = ''
    this.#joined = undefined
  }

  /** `onSynced` hears of every assignment, soon after it is given. */
  observe(onSynced: (member: ModelClassic, generation: number, assignment: string) => void): void {
    if (this.#sync?.isThere !== true || this.#sync === this.#observed) return
    this.#observed = this.#sync
    const { errorCode, assignment } = this.#sync.value
    if (errorCode === 0) onSynced(this, this.#joined!.generationId, Buffer.from(assignment).toString())
  }

  step(sim: SimCoordinator): void {
    if (this.#join?.isThere === true) this.#takeJoin(this.#join.value)
    if (this.#sync?.isThere === true) this.#takeSync(this.#sync.value)
    if (this.#beat?.isThere === true) this.#takeBeat(this.#beat.value.errorCode)
    if (this.answers.length > 0) return
    const { groupId, memberId, instanceId } = this
    if (this.generation >= 0) this.#beat = sim.parkHeartbeat(memberId, this.generation, instanceId, groupId)
    else if (this.#joined !== undefined) this.#sendSync(sim, this.#joined)
    else {
      const timeouts = { sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 20_000 }
      const who = { groupId, memberId, groupInstanceId: instanceId, metadata: this.#metadata }
      this.#join = sim.join({ ...who, ...timeouts })
    }
  }

  #sendSync(sim: SimCoordinator, joined: JoinGroupResponse): void {
    const members = joined.members.map(({ memberId }) => memberId)
    const isLeader = joined.leader === this.memberId
    const parts = Object.fromEntries(
      members.map((id, index) => [id, `${joined.generationId}:${index}/${members.length}`]),
    )
    const more = { groupId: this.groupId, ...(this.instanceId === null ? {} : { groupInstanceId: this.instanceId }) }
    this.#sync = sim.sync(this.memberId, joined.generationId, isLeader ? parts : {}, more)
  }

  #takeJoin(response: JoinGroupResponse): void {
    this.#join = undefined
    if (response.errorCode === 79) this.memberId = response.memberId
    else if (response.errorCode === 0) {
      this.memberId = response.memberId
      this.#joined = response
    } else this.#fail(response.errorCode)
  }

  #takeSync({ errorCode, assignment }: SyncGroupResponse): void {
    const joined = this.#joined!
    this.#sync = undefined
    if (errorCode !== 0) {
      this.#mustJoin()
      this.#fail(errorCode)
      return
    }
    this.generation = joined.generationId
    this.assignment = Buffer.from(assignment).toString()
  }

  #takeBeat(errorCode: number): void {
    this.#beat = undefined
    if (errorCode === 0 || (RETRIABLE.has(errorCode) && errorCode !== 27)) return
    this.#mustJoin()
    this.#fail(errorCode)
  }

  #fail(errorCode: number): void {
    if (errorCode === 25 || errorCode === 82) this.memberId = ''
    else if (errorCode !== 22 && !RETRIABLE.has(errorCode)) throw new Error(`answered errorCode=${errorCode}`)
  }

  leave(sim: SimCoordinator): Awaited {
    const answer = sim.leave({
      memberId: this.memberId,
      ...(this.instanceId === null ? {} : { groupInstanceId: this.instanceId }),
    })
    this.restart()
    return answer
  }
}
