/** What the codec throws about bytes and messages that are wrong; one class for all of it. */
import { VltavaError } from '../../base/errors.ts'

/** Of UTF-8. Flexible versions could say more, and Kafka refuses it there too. */
export const STRING_BYTES_MAX = 0x7fff

/** Bytes that are no message of the API and version that they claim, or a message that its version cannot say. */
export class WireFormatError extends VltavaError {
  override readonly name = 'WireFormatError'

  constructor(message: string, options?: ErrorOptions) {
    super('INVALID_REQUEST', message, options)
  }
}
