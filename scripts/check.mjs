/**
 * `npm run check`: everything about the code that needs no run of it. One line per part, a failing part's output below
 * its line; exit status 1 if any failed.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from './build-stamp.mjs'

const CODE = '{src,test,bench,scripts,examples}/**/*.{ts,mjs,js}'

const PARTS = [
  ['types', 'typescript/bin/tsc', '-p', 'tsconfig.check.json'],
  ['lint', 'eslint/bin/eslint.js', '--max-warnings=0', '.'],
  ['format', 'prettier/bin/prettier.cjs', '--check', '--log-level=warn', CODE, '*.{js,ts}', '!test/fixtures/**'],
  ['layers', 'vitest/vitest.mjs', 'run', '--project=tree', '--silent=true', 'test/layers.test.ts', 'test/lint.test.ts'],
  ['tidy', 'vitest/vitest.mjs', 'run', '--project=tree', '--silent=true', 'test/tidy.test.ts'],
]

let failedCount = 0
for (const [name, program, ...args] of PARTS) {
  const startedMs = performance.now()
  const result = spawnSync(process.execPath, [join(ROOT, 'node_modules', program), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, VLTAVA_TEST_REPORT: '' }, // Its tests are no suite of their own.
    maxBuffer: 64 << 20,
  })
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  console.log(`${name.padEnd(8)} ${result.status === 0 ? 'ok' : 'FAILED'}  ${seconds} s`)
  if (result.status === 0) continue
  failedCount += 1
  process.stdout.write(`${result.stdout}${result.stderr}${result.error ?? ''}\n`)
}
process.exitCode = failedCount === 0 ? 0 : 1
