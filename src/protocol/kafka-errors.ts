/**
 * Kafka's error numbers by name, for code that compares what came over a ring or the wire.
 */
import { ERROR_CODES, type ErrorCode } from '../base/errors.ts'

export function kafkaError(code: ErrorCode): number {
  return ERROR_CODES[code].kafkaCode
}
