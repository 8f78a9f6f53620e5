/**
 * Nemesis: what goes wrong while clients work. It draws one mishap at a time: faults of the disk that wait for the k-th
 * call of a kind, a disk that fills up and is given room again, threads that throw or hang, a wall clock that jumps.
 */
import { AssertionFailed } from '../../src/base/assert.ts'
import type { SimOperation } from '../../src/base/env/sim-faults.ts'
import { type NemesisAct } from './swarm.ts'
import type { Actor, World } from './world.ts'

const JUMPS_MS = [-1_000, 1_000, 3_600_000, -3_600_000, 86_400_000 * 30]
const NAME_OPERATIONS = new Set(['open', 'rename', 'unlink', 'makeDirectory', 'removeDirectory', 'truncate', 'list'])

const isWrite = ({ kind }: SimOperation): boolean => kind === 'write'
const isSync = ({ kind }: SimOperation): boolean => kind === 'sync'
const isRead = ({ kind }: SimOperation): boolean => kind === 'read'
const isName = ({ kind }: SimOperation): boolean => NAME_OPERATIONS.has(kind)

export async function torment(world: World, actor: Actor): Promise<void> {
  const { nemesis, nemesisMs } = world.swarm
  const acts = Object.entries(nemesis).flatMap(([act, weight]) => Array<NemesisAct>(weight).fill(act as NemesisAct))
  if (acts.length === 0) return
  while (!world.isStopping) {
    await actor.sleep(actor.random.below(2 * nemesisMs))
    if (world.isStopping) return
    const act = actor.random.pick(acts)
    world.scheduler.note(`nemesis: ${act}`)
    world.count(`nemesis ${act}`)
    await strike(world, actor, act)
  }
}

/** A fault that waits for the opening of the log, or for whatever comes. */
export function armDiskFault(world: World, { random }: Pick<Actor, 'random'>): void {
  const { faults } = world.env.fs
  const k = 1 + random.below(random.pick([5, 40, 150]))
  const fault = random.pick(['EIO', 'ENOSPC', 'short'] as const)
  world.scheduler.note(`armed: ${fault} at call ${k}`)
  faults.failAt(k, fault, ({ kind }) => kind !== 'syncDirectory', { times: random.pick([1, 1, 3]) })
}

/** Nothing goes wrong from now on, unless the file system has stopped. */
export function heal(world: World): void {
  world.env.fs.faults.clear()
  world.env.fs.capacityBytes = Infinity
  world.onFailpoint = () => undefined
  for (const thread of world.process?.threads ?? []) thread.hungUntilMs = 0
}

async function strike(world: World, actor: Actor, act: NemesisAct): Promise<void> {
  const { random } = actor
  const { fs, clock } = world.env
  const k = 1 + random.below(random.pick([1, 5, 20]))
  switch (act) {
    case 'write-eio':
      fs.faults.failAt(k, 'EIO', isWrite)
      break
    case 'write-enospc':
      fs.faults.failAt(k, 'ENOSPC', isWrite, { times: random.pick([1, 1, 5]) })
      break
    case 'short-write':
      fs.faults.failAt(k, 'short', isWrite, random.chance(0.7) ? { then: random.pick(['ENOSPC', 'EIO']) } : {})
      break
    case 'sync-eio':
      fs.faults.failAt(k, 'EIO', isSync)
      break
    case 'sync-enospc':
      fs.faults.failAt(k, 'ENOSPC', isSync)
      break
    case 'name-eio':
      fs.faults.failAt(k, 'EIO', isName)
      break
    case 'name-enospc':
      fs.faults.failAt(k, 'ENOSPC', isName)
      break
    case 'directory-sync-eio':
      stopFileSystem(world, k)
      break
    case 'read-eio':
      fs.faults.failAt(k, 'EIO', isRead, { times: random.pick([1, 3]) })
      break
    case 'disk-full':
      fs.capacityBytes = fs.usedBytes + random.pick([0, 4096, 20_000])
      await actor.sleep(random.below(3_000))
      fs.capacityBytes = Infinity
      break
    case 'shard-throws':
      throwAt(world, 'shard', k)
      break
    case 'flusher-throws':
      throwAt(world, 'flusher', k)
      break
    case 'shard-hangs':
      hang(world, actor, 'shard')
      break
    case 'flusher-hangs':
      hang(world, actor, 'flusher')
      break
    case 'clock-jumps':
      clock.jumpWall(random.pick(JUMPS_MS))
      break
  }
}

/**
 * The k-th sync of a directory fails. Then the file system has lost its journal and takes no more changes: only a
 * reboot helps, and that is a power cut.
 */
export function stopFileSystem({ env: { fs } }: Pick<World, 'env'>, k: number): void {
  let left = k
  const isLast = ({ kind }: SimOperation): boolean => {
    if (kind !== 'syncDirectory') return false
    left -= 1
    if (left === 0) fs.readOnly = true
    return left === 0
  }
  fs.faults.failAt(1, 'EIO', isLast)
}

/** The k-th failpoint that a thread of this kind reaches from now on ends it, as a bug would. */
function throwAt(world: World, kind: string, k: number): void {
  let left = k
  world.onFailpoint = (thread, name) => {
    if (!thread.startsWith(kind)) return
    left -= 1
    if (left > 0) return
    world.onFailpoint = () => undefined
    throw new AssertionFailed(`the nemesis, at ${name}`)
  }
}

function hang(world: World, { random }: Actor, kind: string): void {
  const threads = [...(world.process?.threads ?? [])].filter(({ label }) => label.startsWith(kind))
  if (threads.length === 0) return
  random.pick(threads).hungUntilMs = world.env.clock.monotonicMs() + random.pick([50, 500, 1_500, 10_000])
}
