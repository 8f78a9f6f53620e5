/** CRC-32C by each implementation, over the sizes of batches. An operation is a byte: 0.1 ns/op is 10 GB/s. */
import { crc32c, crc32cImplementation, crc32cJs, createCrc32cWasm, type Crc32c } from '../../src/base/crc32c.ts'
import { native, nativeStatus } from '../../src/base/native.ts'
import { parameter, run } from '../harness.ts'

const totalBytes = parameter('bytes', 1 << 18, 1 << 28)

const implementations: [string, Crc32c][] = [
  [`chosen: ${crc32cImplementation()}, js below a hundred or two`, crc32c],
  ['js', crc32cJs],
]
const wasm = createCrc32cWasm()
if (wasm !== undefined) implementations.push(['wasm', wasm])
if (native !== undefined) implementations.push(['native', native.crc32c])
else console.error(`native left out: ${nativeStatus().reason}`)

// Shared memory, for batches are checked in rings; larger than the caches of one core, as they are.
const bytes = new Uint8Array(new SharedArrayBuffer(16 << 20))
for (let index = 0; index < bytes.length; index++) bytes[index] = Math.imul(index, 0x9e3779b1) >>> 24

for (const sizeBytes of [32, 128, 1 << 10, 1 << 14, 1 << 20]) {
  const rounds = Math.max(1, Math.floor(totalBytes / sizeBytes))
  for (const [name, implementation] of implementations) {
    await run(`${sizeBytes} bytes, ${name}`, rounds * sizeBytes, () => {
      let sum = 0
      let start = 0
      for (let round = 0; round < rounds; round++) {
        sum = (sum + implementation(bytes, start, start + sizeBytes, 0)) >>> 0
        start += sizeBytes
        if (start + sizeBytes > bytes.length) start = 0
      }
      return sum
    })
  }
}
