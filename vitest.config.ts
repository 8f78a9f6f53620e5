/**
 * The suites: each a folder of test/, each a project (`vitest run --project race`), each with an npm script.
 *
 *   tree      the source tree itself: floors, tidiness, lint. Needs no build.
 *   unit      everything that has no suite of its own, and a small run of fuzz. This and `tree` are `npm test`.
 *   others    longer runs, one npm script each; .ci/run runs them all.
 *
 * Threads run from dist (Node starts no .ts file as a worker), so every suite but `tree` refuses a missing or stale one.
 * VLTAVA_TEST_REPORT=FILE adds a report in JSON, from which .ci/run takes its sums.
 */
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

const TREE = ['test/layers.test.ts', 'test/tidy.test.ts', 'test/lint.test.ts']

/** Suites outside `npm test`, and how long one test of theirs may take. */
const SUITES: Record<string, { timeoutMs: number }> = {
  race: { timeoutMs: 300_000 },
  sim: { timeoutMs: 600_000 },
  crash: { timeoutMs: 600_000 },
  fuzz: { timeoutMs: 600_000 },
  native: { timeoutMs: 300_000 },
  examples: { timeoutMs: 120_000 },
  interop: { timeoutMs: 600_000 },
}

/** How many times the fuzz tests' own counts a run does; the suite of that name is the long one. */
const FUZZ_SCALE_SMALL = '1'
const FUZZ_SCALE_FULL = '25'

const unitTimeoutMs = 30_000
const reportFile = process.env['VLTAVA_TEST_REPORT'] ?? ''

export default defineConfig({
  test: {
    reporters: reportFile === '' ? ['default'] : ['default', ['json', { outputFile: reportFile }]],
    maxWorkers: 2,
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'json-summary'],
    },
    projects: [
      suite('tree', { include: TREE, testTimeout: unitTimeoutMs, globalSetup: [] }),
      suite('unit', {
        include: ['test/**/*.test.ts'],
        exclude: [...TREE, ...Object.keys(SUITES).flatMap((name) => (name === 'fuzz' ? [] : [`test/${name}/**`]))],
        testTimeout: unitTimeoutMs,
        env: { FUZZ_SCALE: process.env['FUZZ_SCALE'] ?? FUZZ_SCALE_SMALL },
      }),
      ...Object.entries(SUITES).map(([name, { timeoutMs }]) =>
        suite(name, {
          include: [`test/${name}/**/*.test.ts`],
          testTimeout: timeoutMs,
          env: { FUZZ_SCALE: process.env['FUZZ_SCALE'] ?? FUZZ_SCALE_FULL },
        }),
      ),
    ],
  },
})

function suite(name: string, test: TestProjectInlineConfiguration['test']): TestProjectInlineConfiguration {
  const timeout = test?.testTimeout ?? unitTimeoutMs
  return {
    extends: true,
    test: { name, pool: 'forks', globalSetup: ['test/built.setup.ts'], hookTimeout: timeout, ...test },
  }
}
