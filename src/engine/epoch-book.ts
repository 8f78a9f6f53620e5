/**
 * EpochBook: the leader epochs of partitions, read from their checkpoint files by any thread. A shard changes and
 * writes them only when it opens a log, so what was read holds for one generation.
 */
import type { Fs } from '../base/env/env.ts'
import { LeaderEpochs } from '../log/leader-epochs.ts'
import type { Watermarks } from '../ring/watermarks.ts'
import type { PartitionPlace } from './partition-reader.ts'

interface Known {
  readonly watermarks: Watermarks
  readonly generation: number
  readonly epochs: LeaderEpochs
}

export class EpochBook {
  readonly #fs: Fs
  readonly #known = new Map<string, Known>()

  constructor(fs: Fs) {
    this.#fs = fs
  }

  /** Without an epoch if the partition is not open yet. Throws StorageError and the like. */
  get({ directory, slot, watermarks: present }: PartitionPlace): LeaderEpochs {
    const watermarks = present()
    const generation = watermarks.generation(slot)
    const known = this.#known.get(directory)
    if (known?.watermarks === watermarks && known.generation === generation) return known.epochs
    const epochs = LeaderEpochs.load(this.#fs, directory)
    if (generation > 0) this.#known.set(directory, { watermarks, generation, epochs })
    return epochs
  }

  /** Partitions were deleted: theirs may come again, with others. */
  clear(): void {
    this.#known.clear()
  }
}
