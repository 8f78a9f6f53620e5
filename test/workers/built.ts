/** The package as it is built: threads start from dist only. Its types are those of src. */
import type * as Vltava from '../../src/index.ts'

const built = new URL('../../dist/index.js', import.meta.url).href

export const { open, attach, connect, features } = (await import(built)) as typeof Vltava
export type { Consumer, Log, LogNotice, OpenOptions, Producer, RecordMetadata, VltavaError } from '../../src/index.ts'
