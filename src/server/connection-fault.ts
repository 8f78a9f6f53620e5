/** The connection is closed without an answer; `message` is logged. */
export class ConnectionFault extends Error {
  override readonly name = 'ConnectionFault'
}
