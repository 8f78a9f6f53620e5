/**
 * Kafka's error numbers by name and back, for code that compares what came over a ring or the wire.
 */
import { ERROR_CODES, type ErrorCode } from '../base/errors.ts'

export function kafkaError(code: ErrorCode): number {
  return ERROR_CODES[code].kafkaCode
}

const byNumber: ReadonlyMap<number, ErrorCode> = new Map(
  (Object.keys(ERROR_CODES) as ErrorCode[]) // The table's keys are the codes.
    .filter((code) => ERROR_CODES[code].kafkaCode > 0)
    .map((code) => [ERROR_CODES[code].kafkaCode, code]),
)

/** UNKNOWN_SERVER_ERROR for a number that is in no table here. */
export function errorNamed(kafkaCode: number): ErrorCode {
  return byNumber.get(kafkaCode) ?? 'UNKNOWN_SERVER_ERROR'
}
