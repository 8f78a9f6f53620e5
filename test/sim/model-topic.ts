/**
 * What the model knows of one topic, from its creation to its deletion: its partitions, its settings, and what requests
 * that were not answered may have done to it. A topic of the same name that is made later is another one.
 */
export interface Ends {
  readonly logStartOffset: number
  readonly committedOffset: number
  readonly highWatermark: number
}

export const NO_ENDS: Ends = { logStartOffset: 0, committedOffset: 0, highWatermark: 0 }

export class ModelPartition {
  /** Record numbers by offset. */
  readonly log = new Map<number, number>()
  /** The ends that each client saw last since the process began: one may know of a new incarnation before another. */
  readonly seen = new Map<string, Ends>()
  /** What was promised to be on the disk, and to survive the end of the process. */
  committed = 0
  stable = 0
  /** Where the start was moved to, and where a trim that was not answered may have moved it to. */
  trimmed = 0
  mayBeTrimmed = 0
  /** The power was cut since the log was last looked through. */
  lostPower = false
  isVerified = true
}

export type Configs = Readonly<Record<string, string>>

export class ModelTopic {
  readonly id: string
  readonly name: string
  readonly partitions: ModelPartition[] = []
  /** `maybe`: a request to delete it is under way, or was not answered with success. */
  existence: 'yes' | 'maybe' | 'no' = 'yes'
  /** Records may vanish from the front at any time. */
  hasRetention = false
  /** The log may have set the records' timestamps. */
  mayStamp = false
  /** Each setting's possible values: one, unless a request to change it was not answered with success. */
  readonly #settings = new Map<string, Set<string | undefined>>()

  constructor(id: string, name: string, partitionCount: number, configs: Configs) {
    this.id = id
    this.name = name
    for (const [setting, value] of Object.entries(configs)) {
      this.mayHave(setting, value)
      this.has(setting, value)
    }
    this.hasRetention ||= configs['retention.ms'] === undefined
    this.partition(partitionCount - 1)
  }

  partition(index: number): ModelPartition {
    while (this.partitions.length <= index) this.partitions.push(new ModelPartition())
    return this.partitions[index]!
  }

  /** A request to set this is about to be made. */
  mayHave(setting: string, value: string): void {
    const values = this.#settings.get(setting) ?? new Set([undefined])
    values.add(value)
    this.#settings.set(setting, values)
    if ((setting === 'retention.ms' || setting === 'retention.bytes') && value !== '-1') this.hasRetention = true
    if (setting === 'message.timestamp.type' && value === 'LogAppendTime') this.mayStamp = true
  }

  /** The request was answered with success. */
  has(setting: string, value: string): void {
    this.#settings.set(setting, new Set([value]))
  }

  /** Why these cannot be the topic's settings, or undefined. */
  configsFault(configs: Configs): string | undefined {
    for (const [setting, values] of this.#settings) {
      const value = configs[setting]
      if (!values.has(value)) {
        return `${setting} is ${value}, and was set to ${[...values].join(' or ')}`
      }
    }
    return undefined
  }
}
