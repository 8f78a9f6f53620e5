import { expect, it } from 'vitest'
import { countTests } from '../../scripts/count-tests.mjs'

function report(passed: number, failed: number, files: { status: string; tests: string[] }[], pending = 0) {
  return {
    numPassedTests: passed,
    numFailedTests: failed,
    numPendingTests: pending,
    numTodoTests: 0,
    testResults: files.map((file) => ({
      status: file.status,
      assertionResults: file.tests.map((status) => ({ status })),
    })),
  }
}

it('counts each test once', () => {
  const files = [
    { status: 'passed', tests: ['passed', 'passed'] },
    { status: 'failed', tests: ['passed', 'failed'] },
  ]
  expect(countTests(report(3, 1, files, 2), 1)).toEqual({ passed: 3, failed: 1, leftOut: 2 })
})

it('counts a file that did not load as one failure', () => {
  const files = [
    { status: 'passed', tests: ['passed'] },
    { status: 'failed', tests: [] },
  ]
  expect(countTests(report(1, 0, files), 1)).toEqual({ passed: 1, failed: 1, leftOut: 0 })
})

it('counts a run that failed outside any test, crashed, or ran nothing, as one failure', () => {
  const files = [{ status: 'passed', tests: ['passed'] }]
  expect(countTests(report(1, 0, files), 1)).toEqual({ passed: 1, failed: 1, leftOut: 0 })
  expect(countTests(undefined, 137)).toEqual({ passed: 0, failed: 1, leftOut: 0 })
  expect(countTests(report(0, 0, []), 0)).toEqual({ passed: 0, failed: 1, leftOut: 0 })
})

it('counts a run of passing or skipped tests as no failure', () => {
  expect(countTests(report(0, 0, [{ status: 'passed', tests: ['pending'] }], 1), 0).failed).toBe(0)
  expect(countTests(report(2, 0, [{ status: 'passed', tests: ['passed', 'passed'] }]), 0).failed).toBe(0)
})
