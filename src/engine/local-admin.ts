/**
 * LocalAdmin: the AdminLink of a client thread of this process. Owned by that thread.
 */
import type { Fs, VolumeSize } from '../base/env/env.ts'
import { storageCall } from '../base/file-io.ts'
import type { AdminLink, EngineReplies, EngineRequest, LeaderEpochLookup } from '../protocol/admin-link.ts'
import type { Overrides } from '../settings/overrides.ts'
import type { PartitionPlace } from './partition-reader.ts'

/** What of the thread's transport is used here. */
export interface AdminAccess {
  readonly directory: string
  ask(request: EngineRequest, signal?: AbortSignal): Promise<unknown>
  place(topic: string, partition: number): PartitionPlace
  leaderEpochs(topic: string, partition: number): LeaderEpochLookup
}

export class LocalAdmin implements AdminLink {
  readonly directory: string
  readonly #access: AdminAccess
  readonly #fs: Fs
  #overrides: Overrides
  readonly #listeners = new Set<() => void>()

  constructor(fs: Fs, access: AdminAccess, overrides: Overrides) {
    this.#fs = fs
    this.directory = access.directory
    this.#access = access
    this.#overrides = overrides
  }

  get overrides(): Overrides {
    return this.#overrides
  }

  /** The dispatcher told of them. */
  learn(overrides: Overrides): void {
    this.#overrides = overrides
    for (const listener of this.#listeners) listener()
  }

  onOverrides(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  volume(): VolumeSize | undefined {
    return storageCall(`the size of the file system of ${this.directory}`, () => this.#fs.volume(this.directory))
  }

  sizeBytes(topic: string, partition: number): number {
    const { slot, watermarks } = this.#access.place(topic, partition)
    return watermarks().sizeBytes(slot)
  }

  leaderEpochs(topic: string, partition: number): LeaderEpochLookup {
    return this.#access.leaderEpochs(topic, partition)
  }

  async ask<R extends EngineRequest>(request: R, signal?: AbortSignal): Promise<EngineReplies[R['type']]> {
    // Each request type has its reply type; the dispatcher keeps the pairing (workers/topic-admin.ts).
    return (await this.#access.ask(request, signal)) as EngineReplies[R['type']]
  }
}
