/** Errors as fields of an answer. */
import { type ErrorCode, type ErrorData, toErrorData, VltavaError } from '../../base/errors.ts'
import { kafkaError } from '../../protocol/kafka-errors.ts'

export interface Outcome {
  readonly errorCode: number
  readonly errorMessage: string | null
}

export const SUCCESS: Outcome = { errorCode: 0, errorMessage: null }

export function refusal(code: ErrorCode, errorMessage: string): Outcome {
  return { errorCode: kafkaError(code), errorMessage }
}

export function outcomeOf(error: ErrorData | undefined): Outcome {
  return error === undefined ? SUCCESS : refusal(error.code, error.message)
}

/** The error that a call rejects with, for a field of the answer; one that is no VltavaError is a defect, and thrown. */
export async function outcomeOfCall(call: () => Promise<unknown>): Promise<Outcome> {
  try {
    await call()
    return SUCCESS
  } catch (error) {
    if (!(error instanceof VltavaError)) throw error
    return outcomeOf(toErrorData(error))
  }
}

/** Names that are there more than once. */
export function duplicatesIn(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>()
  return new Set(names.filter((name) => seen.has(name) || (seen.add(name), false)))
}
