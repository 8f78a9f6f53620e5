/**
 * Makes test/fixtures/protocol/ anew with the classes of Kafka's own jar:
 *
 *   node scripts/interop-jars.mjs && node test/interop/kafka/make-message-vectors.mjs
 *
 * What a line holds is said in MessageVectors.java. The APIs are those of src/protocol/messages.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants } from 'node:zlib'
import { available, kafkaVersion, runJava } from './java.mjs'

const TEST = join(dirname(fileURLToPath(import.meta.url)), '../..')
const FIXTURES = join(TEST, 'fixtures/protocol')

const { ok, reason } = available()
if (!ok) throw new Error(reason)
const keys = readdirSync(join(TEST, '../src/protocol/messages')).flatMap((name) => /^(\d\d)-/.exec(name)?.[1] ?? [])
const { stdout, stderr, exitCode } = await runJava('MessageVectors', keys)
if (exitCode !== 0) throw new Error(`MessageVectors ended with ${exitCode}:\n${stderr}`)

const params = {
  [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
  [constants.BROTLI_PARAM_SIZE_HINT]: stdout.length,
}
const packed = brotliCompressSync(stdout, { params })
mkdirSync(FIXTURES, { recursive: true })
writeFileSync(join(FIXTURES, `messages-${kafkaVersion()}.jsonl.br`), packed)
console.log(`${stdout.split('\n').length - 1} lines, ${stdout.length} characters, ${packed.length} bytes compressed`)
