import { VltavaError } from '../../base/errors.ts'

/** Bytes that are no message of the API and version that they claim, or a message that its version cannot say. */
export class WireFormatError extends VltavaError {
  override readonly name = 'WireFormatError'

  constructor(message: string, options?: ErrorOptions) {
    super('INVALID_REQUEST', message, options)
  }
}
