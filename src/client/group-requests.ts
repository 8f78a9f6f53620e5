/**
 * Requests to a group's coordinator, typed by their API, and the errors that are worth another try.
 */
import type { Timers } from '../base/env/env.ts'
import { ERROR_CODES, type ErrorCode, VltavaError } from '../base/errors.ts'
import type { GroupLink } from '../protocol/group-link.ts'
import { kafkaError } from '../protocol/kafka-errors.ts'
import type { Api, RequestOf, ResponseOf } from '../protocol/wire/api.ts'

/** A coordinator that starts, moves or loads answers these for a short while. */
const AWAY: ReadonlySet<number> = new Set([
  kafkaError('COORDINATOR_LOAD_IN_PROGRESS'),
  kafkaError('COORDINATOR_NOT_AVAILABLE'),
  kafkaError('NOT_COORDINATOR'),
  kafkaError('REQUEST_TIMED_OUT'),
  kafkaError('UNSTABLE_OFFSET_COMMIT'),
])
const RETRY_MS_MIN = 5
const RETRY_MS_MAX = 500

export function isAway(errorCode: number): boolean {
  return AWAY.has(errorCode)
}

/** How long to wait before try number `attempt`, the first being 1. */
export function retryDelayMs(attempt: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(attempt - 1, 10))
}

/** Rejects with the signal's reason. */
export function pause(timers: Timers, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      timer.cancel()
      reject(signal!.reason as Error)
    }
    const timer = timers.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    if (signal?.aborted === true) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}

export async function askCoordinator<A extends Api>(
  link: GroupLink,
  api: A,
  version: number,
  request: RequestOf<A>,
  signal?: AbortSignal,
): Promise<ResponseOf<A>> {
  // The coordinator answers in the words of the API that it was asked by.
  return (await link.coordinate(api.key, version, request, undefined, signal)) as ResponseOf<A>
}

const NAMES = new Map<number, ErrorCode>()
for (const [name, { kafkaCode }] of Object.entries(ERROR_CODES)) {
  if (kafkaCode > 0 && !NAMES.has(kafkaCode)) NAMES.set(kafkaCode, name as ErrorCode)
}

/** The error that Kafka's number stands for; `what` says what was refused. */
export function groupError(errorCode: number, what: string): VltavaError {
  const name = NAMES.get(errorCode)
  if (name === undefined) return new VltavaError('UNKNOWN_SERVER_ERROR', `${what}: Kafka's error code ${errorCode}`)
  return new VltavaError(name, `${what}: ${name}`)
}
