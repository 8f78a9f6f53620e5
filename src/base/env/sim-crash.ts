/**
 * What a power cut leaves, drawn by seed: which un-synced changes survive, and which sectors of a surviving write.
 *
 * A disk writes whole sectors, in any order, so before an fsync any subset of the sectors of any subset of the writes
 * may be there. Drawing each sector by itself would almost never give the plain cases in which bugs hide (all, none,
 * only the last, all but one), so a shape is drawn first.
 */
import type { Random } from './env.ts'
import { randomBelow } from '../random.ts'

/** The unit of tearing. */
export const SECTOR_BYTES = 512

const SURVIVALS = ['none', 'all', 'prefix', 'subset', 'onlyLast', 'dropOne'] as const

/** Which of a list of changes, oldest first, are on the disk after the cut. */
export type Survival = (typeof SURVIVALS)[number]

const EXTENSIONS = ['none', 'zeros', 'garbage'] as const

/**
 * What lies in the part of a file that it gained since the last sync where no data arrived: nothing (the file did not
 * grow), zeros, or whatever was in those sectors before.
 */
export type Extension = (typeof EXTENSIONS)[number]

/** Everything left out is drawn by the seed, for each file by itself. */
export interface CrashOptions {
  /** For the un-synced writes and truncations of each file. */
  readonly files?: Survival
  /** For the un-synced creations, renames and removals, in the order in which they were made. */
  readonly directories?: Survival
  /** Whether surviving writes may be torn at 512 bytes. */
  readonly tear?: boolean
  readonly extension?: Extension
  /** Decides change by change, by the index in SimFs.unsyncedChanges(); goes before `files` and `directories`. */
  readonly survives?: (index: number) => boolean
}

/** One answer for each of `count` changes. */
export function drawSurvivors(random: Random, count: number, wanted: Survival | undefined): boolean[] {
  const survival = wanted ?? SURVIVALS[randomBelow(random, SURVIVALS.length)]!
  const chosen = count === 0 ? 0 : randomBelow(random, count)
  return Array.from({ length: count }, (_, index) => {
    switch (survival) {
      case 'none':
        return false
      case 'all':
        return true
      case 'prefix':
        return index < chosen
      case 'subset':
        return random.next() < 0.5
      case 'onlyLast':
        return index === count - 1
      case 'dropOne':
        return index !== chosen
    }
  })
}

/** How one file comes out of the cut, besides which changes survive. */
export interface FileDamage {
  readonly tear: boolean
  readonly extension: Extension
}

export function drawFileDamage(random: Random, options: CrashOptions): FileDamage {
  const tear = random.next() < 0.5
  const extension = EXTENSIONS[randomBelow(random, EXTENSIONS.length)]!
  return { tear: options.tear ?? tear, extension: options.extension ?? extension }
}

/** Which of the `count` sectors of a torn write are on the disk. */
export function drawSectors(random: Random, count: number): boolean[] {
  const shape = randomBelow(random, 5)
  const cut = randomBelow(random, count)
  return Array.from({ length: count }, (_, index) => {
    if (shape === 0) return index < cut
    if (shape === 1) return index >= cut
    if (shape === 2) return index !== cut
    if (shape === 3) return true
    return random.next() < 0.5
  })
}
