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
  /** The greatest ends that a client saw since the process began. */
  seen = NO_ENDS
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
  configs: Configs
  /** Settings that a request may have brought that was not answered with success. */
  maybeConfigs: Configs[] = []
  /** Settings that were, or may have been, in force at any time. */
  readonly #everHad: Configs[] = []

  constructor(id: string, name: string, partitionCount: number, configs: Configs) {
    this.id = id
    this.name = name
    this.configs = configs
    this.#everHad.push(configs)
    this.partition(partitionCount - 1)
  }

  /** A request to set these is about to be made. */
  mayHave(configs: Configs): void {
    this.maybeConfigs.push(configs)
    this.#everHad.push(configs)
  }

  partition(index: number): ModelPartition {
    while (this.partitions.length <= index) this.partitions.push(new ModelPartition())
    return this.partitions[index]!
  }

  /** Records may vanish from the front at any time. */
  get hasRetention(): boolean {
    return this.#everHad.some(({ 'retention.ms': ms, 'retention.bytes': bytes }) => ms !== '-1' || (bytes ?? '-1') !== '-1')
  }

  /** The log may have set the records' timestamps. */
  get mayStamp(): boolean {
    return this.#everHad.some((configs) => configs['message.timestamp.type'] === 'LogAppendTime')
  }
}
