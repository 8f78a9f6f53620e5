/** Runs part of a simulation; a failure says how to replay it, how the run was set up, and what happened last. */
import { SimHalt } from '../../src/base/env/sim-error.ts'
import { SimFailure } from './scheduler.ts'
import type { World } from './world.ts'

/**
 * Rejections that nobody handles are failures of the run, unless the simulated process ended in the middle of a call.
 */
export async function watched(world: World, replay: string, run: () => Promise<void>): Promise<void> {
  const onRejection = (error: unknown): void => {
    if (error instanceof SimHalt) return
    const text = error instanceof Error ? error.stack : String(error)
    world.scheduler.failure ??= new SimFailure(`a rejection that nobody handles: ${text}`)
  }
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', onRejection)
  process.on('rejectionHandled', onHandledLater)
  try {
    await run()
  } catch (error) {
    throw new Error(report(world, replay, error), { cause: error })
  } finally {
    process.removeListener('unhandledRejection', onRejection)
    process.removeListener('rejectionHandled', onHandledLater)
    for (const listener of others) process.on('unhandledRejection', listener)
  }
}

/** Without a listener Node warns of these; they are those of a process that was halted. */
function onHandledLater(): void {}

function report({ scheduler, swarm, seed, env }: World, replay: string, error: unknown): string {
  const text = error instanceof Error ? (error instanceof SimFailure ? error.message : error.stack) : String(error)
  const events = scheduler.latest.slice(-60).join('\n    ')
  const disk = env.fs.operations.slice(-12).map(({ kind, path }) => `${kind} ${path}`)
  return (
    `seed ${seed}, event ${scheduler.eventCount}: ${text}\n` +
    `  replay: ${replay}\n  swarm: ${JSON.stringify(swarm)}\n` +
    `  latest events:\n    ${events}\n  latest calls on the disk:\n    ${disk.join('\n    ')}`
  )
}
