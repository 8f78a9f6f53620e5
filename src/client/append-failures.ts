/**
 * AppendFailures: failures of records that nobody awaits, and who is told: onError, else every flush that is under way,
 * else the next one.
 */
import type { VltavaError } from '../base/errors.ts'
import type { ProducerBatch } from './producer-batch.ts'
import type { ProducerOptions } from './producer-options.ts'

export interface FlushUnderWay {
  error: VltavaError | undefined
}

export class AppendFailures {
  readonly #onError: ProducerOptions['onError']
  readonly #flushes = new Set<FlushUnderWay>()
  #first: VltavaError | undefined

  constructor(onError: ProducerOptions['onError']) {
    this.#onError = onError
  }

  tell(error: VltavaError, { partition: { topic, partition }, recordCount }: ProducerBatch): void {
    if (this.#onError === undefined) {
      if (this.#flushes.size === 0) this.#first ??= error
      for (const flush of this.#flushes) flush.error ??= error
      return
    }
    try {
      this.#onError(error, { topic, partition, recordCount })
    } catch (thrown) {
      // The program's own error: it goes where uncaught ones go, and not through the middle of this producer's work.
      queueMicrotask(() => {
        throw thrown
      })
    }
  }

  /** Hears of failures from now on, and of the first since the last flush. */
  beginFlush(): FlushUnderWay {
    const flush = { error: this.#first }
    this.#first = undefined
    this.#flushes.add(flush)
    return flush
  }

  endFlush(flush: FlushUnderWay): void {
    this.#flushes.delete(flush)
  }

  /** The flush was aborted: the next one is told instead. */
  giveBack({ error }: FlushUnderWay): void {
    this.#first ??= error
  }
}
