/**
 * TopicStore: which topics a data directory has. Owned by the dispatcher thread.
 *
 * Kafka keeps this in its metadata log; one node keeps it in one small file, `vltava-topics.json`, replaced atomically:
 *
 *   { "version": 1, "topics": [ { "name", "id", "partitions", "configs", "isDeleting", "isAdopted" } ] }
 *
 * The file is written before directories are made and before they are deleted, so it is the commit point of both:
 *   create: file says it, then directories. Missing directories are made at the next open.
 *   delete: file says isDeleting, directories go, file forgets it. A half-done deletion is finished at the next open.
 * Partition directories that the file does not know were written by Kafka (or an older tool) and are adopted, with the
 * id from their partition.metadata. Their settings are not known (Kafka has them in its metadata log): they get the
 * defaults, but nothing of them is deleted for its age until somebody sets retention.ms.
 */
import type { Env, Fs } from '../base/env/env.ts'
import { VltavaError } from '../base/errors.ts'
import { readSmallFile, replaceFile } from '../base/file-io.ts'
import { randomUuid } from '../base/uuid.ts'
import { parsePartitionDirectoryName, partitionDirectoryName, topicNameFault } from '../segment/names.ts'
import { readPartitionMetadata } from './partition-metadata.ts'
import type { TopicConfigs } from './topic-config.ts'

export const TOPICS_FILE = 'vltava-topics.json'
const TOPICS_VERSION = 1
export const PARTITION_COUNT_MAX = 10_000

const ADOPTED_CONFIGS: TopicConfigs = { 'retention.ms': '-1' }

export interface Topic {
  readonly name: string
  readonly id: string
  readonly partitions: number
  readonly configs: TopicConfigs
  readonly isDeleting: boolean
  /** Kafka wrote its directories before we did: what settings it had there is not known. */
  readonly isAdopted?: boolean
}

export class TopicStore {
  readonly #fs: Fs
  readonly #directory: string
  #topics: ReadonlyMap<string, Topic> = new Map()

  private constructor(env: Env, directory: string) {
    this.#fs = env.fs
    this.#directory = directory
  }

  /** Reads the file and adopts directories that it does not know. Throws DIRECTORY_VERSION or DIRECTORY_CORRUPT. */
  static load(env: Env, directory: string): TopicStore {
    const store = new TopicStore(env, directory)
    const bytes = readSmallFile(env.fs, `${directory}/${TOPICS_FILE}`)
    if (bytes !== undefined) store.#parse(new TextDecoder().decode(bytes))
    const adopted = store.#strangers(env)
    if (adopted.length > 0) store.put(adopted)
    return store
  }

  /**
   * What the file says, for tools: nothing is adopted and nothing is written. Undefined if there is no such file.
   * Throws as load() does.
   */
  static read(env: Env, directory: string): TopicStore | undefined {
    const bytes = readSmallFile(env.fs, `${directory}/${TOPICS_FILE}`)
    if (bytes === undefined) return undefined
    const store = new TopicStore(env, directory)
    store.#parse(new TextDecoder().decode(bytes))
    return store
  }

  get(name: string): Topic | undefined {
    const topic = this.#topics.get(name)
    return topic === undefined || topic.isDeleting ? undefined : topic
  }

  /** Of topics that are not being deleted. */
  names(): string[] {
    return [...this.#topics.values()].filter((topic) => !topic.isDeleting).map((topic) => topic.name)
  }

  all(): Topic[] {
    return [...this.#topics.values()]
  }

  /** Durable when it returns; nothing has changed if it throws StorageError. */
  put(topics: readonly Topic[]): void {
    this.#replace(new Map([...this.#topics, ...topics.map((topic) => [topic.name, topic] as const)]))
  }

  /** As put(). */
  remove(name: string): void {
    this.#replace(new Map([...this.#topics].filter(([other]) => other !== name)))
  }

  /** The file first: what could not be written is not remembered either, or a later write would bring it. */
  #replace(topics: ReadonlyMap<string, Topic>): void {
    const content = JSON.stringify({ version: TOPICS_VERSION, topics: [...topics.values()] }, undefined, 1)
    replaceFile(this.#fs, this.#directory, TOPICS_FILE, new TextEncoder().encode(content))
    this.#topics = topics
  }

  #parse(text: string): void {
    const file = `${this.#directory}/${TOPICS_FILE}`
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch (error) {
      throw new VltavaError('DIRECTORY_CORRUPT', `${file} is not JSON: ${String(error)}`, { cause: error })
    }
    if (!isObject(parsed) || typeof parsed['version'] !== 'number') {
      throw new VltavaError('DIRECTORY_CORRUPT', `${file} has no version`)
    }
    if (parsed['version'] > TOPICS_VERSION) {
      const message = `${file} has version=${parsed['version']}; this release reads up to version=${TOPICS_VERSION}`
      throw new VltavaError('DIRECTORY_VERSION', `${message}. Open the directory with the newer release that wrote it.`)
    }
    if (!Array.isArray(parsed['topics'])) throw new VltavaError('DIRECTORY_CORRUPT', `${file} has no list of topics`)
    const topics = new Map<string, Topic>()
    for (const entry of parsed['topics']) {
      const topic = toTopic(entry)
      if (topic === undefined) {
        throw new VltavaError('DIRECTORY_CORRUPT', `${file} has a malformed topic: ${JSON.stringify(entry)}`)
      }
      topics.set(topic.name, topic)
    }
    this.#topics = topics
  }

  /** Topics that have directories and are not in the file. */
  #strangers(env: Env): Topic[] {
    const found = new Map<string, { id: string | undefined; partitions: number }>()
    for (const entry of env.fs.list(this.#directory)) {
      const parsed = parsePartitionDirectoryName(entry)
      if (parsed === undefined || parsed.kind !== 'live' || this.#topics.has(parsed.topic)) continue
      if (parsed.topic === '__cluster_metadata') continue // Kafka's own controller log: not a topic.
      if (env.fs.stat(`${this.#directory}/${entry}`)?.isDirectory !== true) continue
      const id = readPartitionMetadata(env.fs, `${this.#directory}/${entry}`)?.topicId
      const topic = found.get(parsed.topic) ?? { id, partitions: 0 }
      topic.id ??= id
      topic.partitions = Math.max(topic.partitions, parsed.partition + 1)
      found.set(parsed.topic, topic)
    }
    return [...found].map(([name, { id = randomUuid(env.random), partitions }]) => ({
      name,
      id,
      partitions,
      configs: ADOPTED_CONFIGS,
      isDeleting: false,
      isAdopted: true,
    }))
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function toTopic(entry: unknown): Topic | undefined {
  if (!isObject(entry)) return undefined
  const { name, id, partitions, configs, isDeleting, isAdopted = false } = entry
  if (typeof name !== 'string' || topicNameFault(name) !== undefined || typeof id !== 'string') return undefined
  if (typeof partitions !== 'number' || !Number.isInteger(partitions) || partitions < 1) return undefined
  if (partitions > PARTITION_COUNT_MAX || !isObject(configs) || typeof isDeleting !== 'boolean') return undefined
  if (typeof isAdopted !== 'boolean') return undefined
  if (Object.values(configs).some((value) => typeof value !== 'string')) return undefined
  return {
    name,
    id,
    partitions,
    configs: configs as Record<string, string>,
    isDeleting,
    ...(isAdopted ? { isAdopted } : {}),
  }
}

export function partitionDirectory(directory: string, topic: string, partition: number): string {
  return `${directory}/${partitionDirectoryName(topic, partition)}`
}
