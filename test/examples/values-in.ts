/** What is in a directory, after the example that wrote it has ended. */
import { open } from '../../dist/index.js'

/** The values of a topic as text, by `partition:offset`. */
export async function valuesIn(dir: string, topic: string): Promise<Map<string, string>> {
  const log = await open({ dir })
  try {
    const consumer = log.consumer<Uint8Array, string>({ value: 'string' })
    await consumer.subscribe([topic])
    const values = new Map<string, string>()
    for await (const batch of consumer.batches({ until: 'end' })) {
      for (const record of batch) values.set(`${record.partition}:${record.offset}`, record.value ?? '')
    }
    return values
  } finally {
    await log.close()
  }
}
