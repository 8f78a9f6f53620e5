/**
 * Writers that publish and ring, and the owner who sleeps: blocking (a shard), or on an event loop.
 *
 * There are no timeouts, unless the script grants some: a lost wake-up then shows as an owner that waits for ever with
 * something to read. With some granted, a wait may end early anywhere, and the rule still holds afterwards.
 *
 * On an event loop the owner may also be woken by something else (`otherEventCount`): it leaves its sleep pending,
 * reads its rings and sleeps again, with the next of `timeoutsMs`. A `bystander` is another task of the same thread
 * that sleeps once, with the last of `timeoutsMs`, and reads nothing. Tasks of one thread interleave only at an await:
 * `#turn` says which one is in the middle of its run.
 */
import { type BellFlaw, BellMemory, type CallModel, DoorbellModel, type LookModel } from './doorbell-model.ts'
import { Process, require, type Steps, type System } from './explore.ts'

export interface BellScript {
  readonly messagesPerWriter: readonly number[]
  readonly owner: 'blocking' | 'event loop'
  readonly timeoutCountMax: number
  readonly otherEventCount?: number
  readonly timeoutsMs?: readonly number[]
  readonly hasBystander?: boolean
  readonly flaw?: BellFlaw
}

const NOBODY = ''

export class DoorbellSystem implements System {
  readonly #script: BellScript
  readonly #memory: BellMemory
  readonly #bell: DoorbellModel
  readonly #consumed: number[]
  readonly #processes: Process[]
  #turn = NOBODY
  #timeoutsLeft: number
  #otherEventsLeft: number
  #sleepPlace = 0 // In timeoutsMs.
  #isDisturbed = false // Something else has woken the owner out of its present sleep.
  #ownersCall: CallModel | undefined = undefined

  constructor(script: BellScript) {
    this.#script = script
    this.#memory = new BellMemory(script.messagesPerWriter.length)
    this.#bell = new DoorbellModel(this.#memory, script.flaw)
    this.#consumed = script.messagesPerWriter.map(() => 0)
    this.#timeoutsLeft = script.timeoutCountMax
    this.#otherEventsLeft = script.otherEventCount ?? 0
    const owner = script.owner === 'blocking' ? this.#blockingOwner() : this.#eventLoopOwner()
    this.#processes = [new Process('owner', owner)]
    if (script.hasBystander === true) this.#processes.push(new Process('bystander', this.#bystander()))
    for (const [writer, messageCount] of script.messagesPerWriter.entries()) {
      this.#processes.push(new Process(`writer ${writer}`, this.#writer(writer, messageCount)))
    }
  }

  choices(): readonly string[] {
    const choices = this.#processes.filter((process) => process.isReady && this.#hasTurn(process.name))
    const names = choices.map(({ name }) => name)
    for (const [index, { state }] of this.#memory.waiters.entries()) {
      if (state === 'waiting' && this.#timeoutsLeft > 0) names.push(`timeout ${index}`)
      if (state === 'ended' && this.#script.owner === 'event loop' && this.#turn === NOBODY)
        names.push(`settle ${index}`)
    }
    if (this.#turn === NOBODY) {
      for (const [index, { waiter, isOver }] of this.#bell.calls.entries()) {
        if (waiter.state === 'settled' && !isOver) names.push(`finish ${index}`)
      }
      const isAsleep = this.#ownersCall !== undefined && !this.#ownersCall.isOver && !this.#isDisturbed
      if (isAsleep && this.#otherEventsLeft > 0) names.push('event')
    }
    return names
  }

  choose(choice: string): void {
    const process = this.#processes.find(({ name }) => name === choice)
    if (process !== undefined) return process.step()
    const [kind, index] = choice.split(' ')
    if (kind === 'timeout') {
      this.#timeoutsLeft -= 1
      this.#memory.waiters[Number(index)]!.state = 'ended'
    } else if (kind === 'settle') this.#bell.settle(this.#memory.waiters[Number(index)]!)
    else if (kind === 'finish') this.#bell.finish(this.#bell.calls[Number(index)]!)
    else {
      this.#otherEventsLeft -= 1
      this.#isDisturbed = true
    }
  }

  key(): string {
    const own = `${this.#turn},${this.#timeoutsLeft},${this.#otherEventsLeft},${this.#sleepPlace},${this.#isDisturbed}`
    const call = this.#bell.placeOf(this.#ownersCall)
    const processes = this.#processes.map(({ at }) => at).join(';')
    return `${own},${call}|${this.#consumed.join()}|${this.#memory.key()}|${this.#bell.key()}|${processes}`
  }

  checkEnd(): void {
    const { messagesPerWriter } = this.#script
    require(this.#memory.published.join() === messagesPerWriter.join(), 'writers never wait')
    require(this.#consumed.join() === messagesPerWriter.join(), 'nobody sleeps while there is something to read')
  }

  #hasTurn(name: string): boolean {
    return name.startsWith('writer') || this.#turn === NOBODY || this.#turn === name
  }

  *#writer(writer: number, messageCount: number): Steps {
    const { flaw } = this.#script
    for (let message = 1; message <= messageCount; message++) {
      if (flaw === 'bell rung before publishing') yield* this.#bell.ring()
      const isLookedAtEarly = flaw === 'sleeping read before publishing'
      const seen = isLookedAtEarly ? yield* this.#bell.loadSleeping() : 0
      yield { at: 'publish', live: `${seen}`, perform: () => (this.#memory.published[writer] = message) }
      if (isLookedAtEarly && seen === 1) yield* this.#bell.wake()
      if (flaw !== 'bell rung before publishing' && !isLookedAtEarly) yield* this.#bell.ring()
    }
  }

  /** Reads all rings once; true when every message has been read. */
  *#readAll(task: string): Steps<boolean> {
    for (const writer of this.#consumed.keys()) {
      yield {
        at: `read ring ${writer}`,
        perform: () => {
          this.#turn = task
          return (this.#consumed[writer] = this.#memory.published[writer]!)
        },
      }
    }
    return this.#consumed.every((count, writer) => count === this.#script.messagesPerWriter[writer])
  }

  *#blockingOwner(): Steps {
    while (!(yield* this.#readAll('owner'))) yield* this.#bell.sleep(this.#look('owner'))
  }

  *#eventLoopOwner(): Steps {
    const timeoutsMs = this.#script.timeoutsMs ?? [1]
    while (!(yield* this.#readAll('owner'))) {
      const timeoutMs = timeoutsMs[this.#sleepPlace]!
      this.#sleepPlace = (this.#sleepPlace + 1) % timeoutsMs.length
      const call = yield* this.#bell.sleepAsync(this.#look('owner'), timeoutMs)
      this.#ownersCall = this.#bell.calls[call]
      this.#turn = NOBODY
      yield {
        at: 'asleep',
        isReady: () => this.#ownersCall === undefined || this.#ownersCall.isOver || this.#isDisturbed,
        perform: () => {
          this.#ownersCall = undefined
          this.#isDisturbed = false
          this.#turn = 'owner'
          return 0
        },
      }
    }
    this.#turn = NOBODY
  }

  *#bystander(): Steps {
    yield { at: 'bystander begins', perform: () => ((this.#turn = 'bystander'), 0) }
    yield* this.#bell.sleepAsync(this.#look('bystander'), this.#script.timeoutsMs?.at(-1) ?? 1)
    this.#turn = NOBODY
  }

  #look(task: string): LookModel {
    const { published } = this.#memory
    const consumed = this.#consumed
    return function* () {
      for (const writer of consumed.keys()) {
        const seen = yield { at: `look at ring ${writer}`, live: task, perform: () => published[writer]! }
        if (seen !== consumed[writer]) return true
      }
      return false
    }
  }
}
