/** The codecs over one batch of JSON records. An operation is an uncompressed byte: 1 ns is 1 GB/s. */
import { compress, decompress, type CompressionName } from '../../src/record/compression/codec.ts'
import { copyMatch } from '../../src/record/compression/copy.ts'
import {
  compressZstdInTypeScript,
  decompressZstdInTypeScript,
  zstdImplementation,
} from '../../src/record/compression/zstd.ts'
import { parameter, run } from '../harness.ts'

const sizeBytes = parameter('bytes', 1 << 10, 1 << 16)

// Shared memory, for a batch is compressed in the ring.
const batch = new Uint8Array(new SharedArrayBuffer(sizeBytes))
const users = ['anna', 'bohumil', 'cyril', 'dana', 'emil', 'frantisek', 'gita', 'hynek']
let position = 0
for (let id = 0; position < sizeBytes; id++) {
  const mixed = Math.imul(id, 0x9e3779b1) >>> 0
  const record = Buffer.from(`{"id":${id},"user":"${users[mixed >>> 29]!}","amount":${mixed % 10_000},"ok":true}\n`)
  batch.set(record.subarray(0, sizeBytes - position), position)
  position += record.length
}

async function runCodec(
  name: string,
  encode: () => Uint8Array,
  decode: (packed: Uint8Array) => Uint8Array,
): Promise<void> {
  const packed = encode()
  const ratio = (sizeBytes / packed.length).toFixed(2)
  await run(`${name}, compress, ratio ${ratio}`, sizeBytes, () => encode().length)
  await run(`${name}, decompress`, sizeBytes, () => decode(packed).length)
}

for (const name of ['gzip', 'snappy', 'lz4', 'zstd'] as const satisfies readonly CompressionName[]) {
  await runCodec(
    name === 'zstd' ? `zstd by ${zstdImplementation}` : name,
    () => compress(name, batch, 0, sizeBytes),
    (packed) => decompress(name, packed, 0, packed.length, sizeBytes),
  )
}
await runCodec(
  'zstd in TypeScript',
  () => compressZstdInTypeScript(batch),
  (packed) => decompressZstdInTypeScript(packed, sizeBytes),
)

// What decoders spend most of their time on: short matches, in words and byte by byte.
const copies = parameter('copies', 100, 10_000)
const target = new Uint8Array(64 * 1024).map((_, index) => index * 7)
const targetView = new DataView(target.buffer)
for (const lengthBytes of [6, 16, 40]) {
  const walk = (copy: (to: number) => void) => (): number => {
    for (let count = 0, to = 64; count < copies; count++, to = 64 + ((to + lengthBytes) & 0x7fff)) copy(to)
    return target[100]!
  }
  await run(
    `copy of ${lengthBytes} bytes in words`,
    copies,
    walk((to) => copyMatch(target, targetView, to, 48, lengthBytes)),
  )
  await run(
    `copy of ${lengthBytes} bytes, byte by byte`,
    copies,
    walk((to) => {
      for (let index = to; index < to + lengthBytes; index++) target[index] = target[index - 48]!
    }),
  )
}
