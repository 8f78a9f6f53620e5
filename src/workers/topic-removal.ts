/**
 * TopicRemoval: takes the files of deleted topics away. Part of the dispatcher, on its thread; no shard has their
 * partitions open.
 */
import type { Env } from '../base/env/env.ts'
import { StorageError } from '../base/errors.ts'
import { storageCall } from '../base/file-io.ts'
import { partitionDirectory, type Topic } from '../log/topic-store.ts'
import { deletedDirectoryName } from '../segment/names.ts'
import type { DataDirectory } from './data-directory.ts'

export class TopicRemoval {
  readonly #env: Env
  readonly #directory: DataDirectory

  constructor(env: Env, directory: DataDirectory) {
    this.#env = env
    this.#directory = directory
  }

  /** What a failing disk keeps goes with the next open, or before a topic of that name is created. */
  tryFinish(topic: Topic): void {
    try {
      this.finish(topic)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
    }
  }

  /** Throws StorageError; may be called again. */
  finish(topic: Topic): void {
    for (let partition = 0; partition < topic.partitions; partition++) this.#removeDirectory(topic.name, partition)
    this.#forget(topic.name)
  }

  /** Out of sight first, by one durable rename; then the files. A crash in between leaves a -delete directory. */
  #removeDirectory(topic: string, partition: number): void {
    const { fs } = this.#env
    const directory = partitionDirectory(this.#directory.path, topic, partition)
    storageCall(`deleting ${directory}`, () => {
      if (fs.stat(directory) === undefined) return
      const deleted = this.#deletedPath(topic, partition)
      fs.rename(directory, deleted)
      fs.syncDirectory(this.#directory.path)
      this.#env.failpoint('delete-topic:after-rename')
      for (const name of fs.list(deleted)) fs.unlink(`${deleted}/${name}`)
      fs.removeDirectory(deleted)
    })
  }

  /** The checkpoints first: a topic of the same name must not find the recovery points of this one. */
  #forget(name: string): void {
    this.#directory.forgetTopic(name)
    this.#directory.writeCheckpoints()
    this.#directory.topics.remove(name)
  }

  #deletedPath(topic: string, partition: number): string {
    const bytes = new Uint8Array(16)
    this.#env.random.fill(bytes)
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    return `${this.#directory.path}/${deletedDirectoryName(topic, partition, hex)}`
  }
}
