/**
 * What a member of Kafka's own consumer subscribes to, read from the metadata that its assignors wrote.
 *
 * For everything else that metadata is opaque. Clients write it in many ways, so what cannot be read is no error: it is
 * "unknown", and unknown subscriptions keep every offset.
 */
import { WireFormatError } from '../../protocol/wire/wire-error.ts'
import { WireReader } from '../../protocol/wire/wire-reader.ts'

export const CONSUMER_PROTOCOL_TYPE = 'consumer'

export function subscribedTopicsIn(metadata: Uint8Array): string[] | undefined {
  try {
    const reader = new WireReader(metadata)
    if (reader.int16() < 0) return undefined
    const count = reader.arrayLength(false, 2)
    const topics: string[] = []
    for (let i = 0; i < count; i++) topics.push(reader.text(reader.stringLength(false)))
    return topics
  } catch (error) {
    if (error instanceof WireFormatError) return undefined
    throw error
  }
}
