/** The addon's C++ core, built with AddressSanitizer and UndefinedBehaviorSanitizer and run without Node. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { testSeed } from '../random.ts'

const SANITIZE = ['-std=c++17', '-fsanitize=address,undefined', '-fno-sanitize-recover=all']

/** The first that compiles and links with the sanitizers: their libraries are often not installed. */
const compiler = [process.env['CXX'], 'c++', 'g++', 'clang++'].find(
  (command) =>
    command !== undefined &&
    spawnSync(command, [...SANITIZE, '-x', 'c++', '-', '-o', '/dev/null'], { input: 'int main() { return 0; }' })
      .status === 0,
)
const title = 'the core computes CRCs, keeps its table of maps and survives truncation, without a sanitizer report'

if (compiler === undefined) {
  console.warn('LEFT OUT: the core under sanitizers, for no C++ compiler with -fsanitize=address,undefined is here')
  it.skip(`LEFT OUT, no compiler with sanitizers: ${title}`, () => {})
} else {
  it(title, () => {
    const seed = testSeed()
    const folder = mkdtempSync(join(tmpdir(), 'vltava-core-'))
    try {
      const program = join(folder, 'core-test')
      const sources = ['test/native/core-test.cc', 'native/crc32c.cc', 'native/mapping.cc']
      const flags = [...SANITIZE, '-O1', '-g', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', program]
      const built = spawnSync(compiler, [...flags, ...sources, '-ldl'], { encoding: 'utf8' })
      expect(built.stderr).toBe('')
      expect(built.status).toBe(0)

      const ran = spawnSync(program, [String(seed), folder], {
        encoding: 'utf8',
        // The sanitizer's own SIGBUS handler would be the one that is passed on to.
        env: { ...process.env, ASAN_OPTIONS: 'handle_sigbus=0:detect_leaks=0', UBSAN_OPTIONS: 'print_stacktrace=1' },
      })
      expect({ seed, stderr: ran.stderr, stdout: ran.stdout, status: ran.status }).toEqual({
        seed,
        stderr: '',
        stdout: 'ok\n',
        status: 0,
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
}
