/**
 * What a vitest run counts for in .ci/run: `node scripts/count-tests.mjs REPORT.json EXIT_STATUS` prints
 * `<passed> <failed> <left out>`.
 *
 * A run that failed counts as at least one failure: one without a report crashed, and one whose tests all passed had a
 * file that did not load, an error outside any test, or no tests at all.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * @param {{ numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number,
 *   testResults: { status: string, assertionResults: { status: string }[] }[] } | undefined} report
 * @param {number} exitStatus
 * @returns {{ passed: number, failed: number, leftOut: number }}
 */
export function countTests(report, exitStatus) {
  if (report === undefined) return { passed: 0, failed: 1, leftOut: 0 }
  const isBrokenFile = (file) =>
    file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')
  const failed = report.numFailedTests + report.testResults.filter(isBrokenFile).length
  const leftOut = report.numPendingTests + report.numTodoTests
  const ranNothing = report.numPassedTests + leftOut === 0
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && (exitStatus !== 0 || ranNothing) ? 1 : failed,
    leftOut,
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [path, exitStatus] = process.argv.slice(2)
  const { passed, failed, leftOut } = countTests(readReport(path), Number(exitStatus))
  console.log(`${passed} ${failed} ${leftOut}`)
}

/** A report that was cut off in the middle of writing is none. */
function readReport(path) {
  if (!existsSync(path)) return undefined
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    console.error(`count-tests: ${path} is no JSON: ${error.message}`)
    return undefined
  }
}
