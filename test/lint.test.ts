/** The lint rules that carry the design, each with a planted violation: a rule that is off looks like a clean tree. */
import { ESLint } from 'eslint'
import { expect, it } from 'vitest'
import tseslint from 'typescript-eslint'

// Planted files are not on disk, so rules that need types are off here; the environment's rules need none.
const eslint = new ESLint({ overrideConfig: [tseslint.configs.disableTypeChecked] })

async function rulesBroken(path: string, text: string): Promise<(string | null)[]> {
  const [result] = await eslint.lintText(text, { filePath: path })
  return [...new Set(result?.messages.map((message) => message.ruleId ?? message.message))]
}

const broken: [path: string, text: string, rule: string][] = [
  ['src/log/a.ts', 'export const a = Date.now()', 'no-restricted-globals'],
  ['src/log/a.ts', 'export const a = new Date()', 'no-restricted-globals'],
  ['src/log/a.ts', 'export const a = performance.now()', 'no-restricted-globals'],
  ['src/client/a.ts', 'setTimeout(console.log, 1)', 'no-restricted-globals'],
  ['src/client/a.ts', 'setInterval(String, 1)', 'no-restricted-globals'],
  ['src/client/a.ts', 'setImmediate(String)', 'no-restricted-globals'],
  ['src/client/a.ts', 'export const a = crypto.randomUUID()', 'no-restricted-globals'],
  ['src/client/a.ts', 'globalThis.setTimeout(String, 1)', 'no-restricted-properties'],
  ['src/log/a.ts', 'export const a = Math.random()', 'no-restricted-properties'],
  ['src/log/a.ts', 'export const a = process.hrtime()', 'no-restricted-properties'],
  [
    'src/log/a.ts',
    "import { openSync } from 'node:fs'\nopenSync('a', 'r')",
    '@typescript-eslint/no-restricted-imports',
  ],
  ['src/log/a.ts', "import { openSync } from 'fs'\nopenSync('a', 'r')", '@typescript-eslint/no-restricted-imports'],
  ['src/log/a.ts', "import { open } from 'node:fs/promises'\nopen('a')", '@typescript-eslint/no-restricted-imports'],
  ['src/log/a.ts', "export const a = await import('node:fs/promises')", 'no-restricted-syntax'],
  ['src/protocol/a.ts', "import { connect } from 'node:net'\nconnect(1)", '@typescript-eslint/no-restricted-imports'],
  [
    'src/workers/shard.ts',
    "import { Worker } from 'node:worker_threads'\nWorker",
    '@typescript-eslint/no-restricted-imports',
  ],
  ['src/workers/shard-thread.ts', 'export const a = Date.now()', 'no-restricted-globals'],
  [
    'src/engine/open.ts',
    "import { openSync } from 'node:fs'\nopenSync('a', 'r')",
    '@typescript-eslint/no-restricted-imports',
  ],
  ['src/cli/main.ts', 'setTimeout(String, 1)', 'no-restricted-globals'],
  ['src/sql/a.ts', "eval('1')", 'no-eval'],
  ['src/sql/a.ts', "export const a = new Function('1')", 'no-new-func'],
  ['src/log/a.ts', 'export default 1', 'no-restricted-syntax'],
  ['src/log/a.ts', 'try { a() } catch { /* never mind */ }\nfunction a(): void {}', 'no-restricted-syntax'],
  ['src/log/a.ts', 'a().catch(() => {})\nasync function a(): Promise<void> {}', 'no-restricted-syntax'],
  ['src/log/a.ts', "export const a = 'vltava_native.node'", 'no-restricted-syntax'],
  ['src/log/a.ts', 'export const a = 1 as unknown as string', 'no-restricted-syntax'],
  ['src/log/a.ts', 'export const a: any = 1', '@typescript-eslint/no-explicit-any'],
  ['src/log/a.ts', 'export const a = (b: number): boolean => b == 1', 'eqeqeq'],
  ['src/log/a.ts', 'const a = 1', '@typescript-eslint/no-unused-vars'],
  ['src/log/a.ts', "console.log('a')", 'no-console'],
]
it.each(broken)('%s: `%s` breaks %s', async (path, text, rule) => {
  expect(await rulesBroken(path, text)).toContain(rule)
})

const allowed: [path: string, text: string][] = [
  ['src/base/env/real-env.ts', "import { openSync } from 'node:fs'\nexport const a = [Date.now(), openSync('a', 'r')]"],
  [
    'src/base/native.ts',
    "import { createRequire } from 'node:module'\nexport const a = [createRequire, 'vltava_native']",
  ],
  ['src/workers/shard-thread.ts', "import { parentPort } from 'node:worker_threads'\nparentPort?.close()"],
  ['src/cli/main.ts', "import { createReadStream } from 'node:fs'\nprocess.stdout.write(String(createReadStream))"],
  ['src/workers/shard.ts', "import type { MessagePort } from 'node:worker_threads'\nexport type Port = MessagePort"],
  ['src/client/a.ts', 'queueMicrotask(String)'],
  ['test/log/a.test.ts', 'export const a = [Date.now(), Math.random()]'],
]
it.each(allowed)('%s: `%s` is allowed', async (path, text) => {
  expect(await rulesBroken(path, text)).toEqual([])
})
