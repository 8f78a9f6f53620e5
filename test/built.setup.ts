/**
 * Before any test: dist is what src says. Tests start threads and programs from dist; on an old one they would pass or
 * fail for code that is no longer there.
 *
 * A run that names its files (`npx vitest run test/ring`) is somebody at work, often between two builds: it is warned.
 */
import { currentDigests, whatIsStale } from '../scripts/build-stamp.mjs'

export function setup(): void {
  const stale = whatIsStale(currentDigests()).code
  if (stale === undefined) return
  const problem = `${stale}: run \`npm run build\` first`
  const namesFiles = process.argv.slice(2).some((argument) => /^(\.\/)?test\/|\.test\.ts/.test(argument))
  if (!namesFiles) throw new Error(problem)
  console.warn(`\nWARNING: ${problem}. Threads and programs that these tests start run the old code.\n`)
}
