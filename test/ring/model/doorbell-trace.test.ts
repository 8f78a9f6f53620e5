/**
 * Binds the model to the code, as ring-trace.test.ts does: whoever changes the order in which src/ring/doorbell.ts
 * touches its words changes the model too, and has it explored again.
 */
import { describe, expect, it } from 'vitest'
import { createDoorbell, Doorbell } from '../../../src/ring/doorbell.ts'
import { BellMemory, DoorbellModel, type LookModel } from './doorbell-model.ts'
import { runAlone, type Steps } from './explore.ts'
import { INPUT_I32, recordBell } from './trace.ts'

/** The real bell with its owner's and a writer's object, and the model; both start awake and never rung. */
function createBoth() {
  const buffer = createDoorbell()
  const words = new Int32Array(buffer)
  const memory = new BellMemory(1)
  return {
    owner: new Doorbell(buffer),
    writer: new Doorbell(buffer),
    model: new DoorbellModel(memory),
    look: (found: boolean, meanwhile: () => void) => (): boolean => {
      Atomics.load(words, INPUT_I32)
      meanwhile()
      return found
    },
    lookModel: (found: boolean, meanwhile: () => Steps): LookModel =>
      function* () {
        yield { at: 'load input', perform: () => 0 }
        yield* meanwhile()
        return found
      },
  }
}

function operationsOf(steps: Steps<unknown>): string[] {
  return runAlone(steps).operations.filter((operation) => !operation.startsWith('blocked'))
}

function* nothing(): Steps {}

describe('model and code make the same accesses', () => {
  it('when the bell is rung, of an owner awake and of one asleep', () => {
    const { owner, writer, model } = createBoth()
    expect(recordBell(() => writer.ring())).toEqual(operationsOf(model.ring()))
    expect(recordBell(() => owner.arm())).toEqual(operationsOf(model.arm('')))
    const real = recordBell(() => writer.ring())
    expect(real).toEqual(operationsOf(model.ring()))
    expect(real).toHaveLength(3)
    expect(recordBell(() => owner.disarm())).toEqual(operationsOf(model.disarm('')))
  })

  it.each([
    ['finds input', true, false],
    ['finds none', false, false],
    ['finds none, and the bell is rung before the wait', false, true],
  ])('when a thread goes to block and %s', (_name, found, isRung) => {
    const { owner, writer, model, look, lookModel } = createBoth()
    const hasInput = look(found, () => isRung && writer.ring())
    const hasInputModel = lookModel(found, () => (isRung ? model.ring() : nothing()))
    const real = recordBell(() => owner.sleep(hasInput, 0))
    expect(real).toEqual(operationsOf(model.sleep(hasInputModel)))
    expect(real.at(-1)).toBe('store sleeping = 0')
  })

  it.each([
    ['finds input', true, false],
    ['finds none', false, false],
    ['finds none, and the bell is rung before the wait', false, true],
  ])('when a task goes to sleep on an event loop and %s', async (_name, found, isRung) => {
    const { owner, writer, model, look, lookModel } = createBoth()
    const hasInput = look(found, () => isRung && writer.ring())
    const hasInputModel = lookModel(found, () => (isRung ? model.ring() : nothing()))
    const sleeps: Promise<void>[] = []
    const real = recordBell(() => sleeps.push(owner.sleepAsync(hasInput, 60_000)))
    const modelled = operationsOf(model.sleepAsync(hasInputModel, 60_000))
    // After a wait that did not begin, the code disarms one microtask later than the model: its `await` comes between.
    if (isRung) expect(modelled.pop()).toBe('store sleeping = 0')
    expect(real).toEqual(modelled)
    if (!found && !isRung) expect(recordBell(() => writer.ring())).toEqual(operationsOf(model.ring()))
    await Promise.all(sleeps)
  })

  it('when a second task joins the sleep of the first, and when a shorter one starts its own', async () => {
    const { owner, writer, model, look, lookModel } = createBoth()
    const sleeps: Promise<void>[] = []
    for (const timeoutMs of [20_000, 60_000, 10_000]) {
      const real = recordBell(() =>
        sleeps.push(
          owner.sleepAsync(
            look(false, () => {}),
            timeoutMs,
          ),
        ),
      )
      expect(real).toEqual(operationsOf(model.sleepAsync(lookModel(false, nothing), timeoutMs)))
    }
    expect(
      recordBell(() =>
        sleeps.push(
          owner.sleepAsync(
            look(true, () => {}),
            1,
          ),
        ),
      ),
    ).toEqual(operationsOf(model.sleepAsync(lookModel(true, nothing), 1)))
    const real = recordBell(() => writer.ring())
    expect(real).toEqual(operationsOf(model.ring()))
    expect(real.at(-1)).toBe('notify rung all = 2')
    await Promise.all(sleeps)
  })
})
