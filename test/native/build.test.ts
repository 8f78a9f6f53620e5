/** scripts/build-native.mjs on copies of the sources: what it builds, and what it says where it cannot. */
import { spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { platformFolder } from '../../src/base/env/platform.ts'

const ADDON = join('prebuilds', platformFolder(), 'vltava_native.node')

let folder = ''
beforeEach(() => {
  // With a blank: make does not like those.
  folder = join(mkdtempSync(join(tmpdir(), 'vltava-build-')), 'a checkout')
  mkdirSync(join(folder, 'scripts'), { recursive: true })
  cpSync('native', join(folder, 'native'), { recursive: true })
  for (const file of ['binding.gyp', 'package.json', 'scripts/build-native.mjs']) cpSync(file, join(folder, file))
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
})
afterEach(() => {
  rmSync(join(folder, '..'), { recursive: true })
})

function build(
  environment: Record<string, string> = {},
  ...flags: string[]
): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, [join(folder, 'scripts/build-native.mjs'), ...flags], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  })
  return { status, stderr }
}

describe('where it cannot be built', () => {
  const fallback = '; Vltava runs on its JavaScript and WebAssembly fallbacks\n'

  it.each([
    ['no make', { PATH: '/nowhere' }],
    ['no working C++17 compiler', { CXX: '/nowhere/c++' }],
    ['no working C++17 compiler', { CXX: 'false' }],
  ])('says so in one line and ends well: %s', (reason, environment) => {
    const outcome = build(environment)
    // A machine may lack something else first.
    expect(outcome.stderr).toMatch(/^addon not built: .*; Vltava runs on its JavaScript and WebAssembly fallbacks\n$/)
    if (existsSync(ADDON)) expect(outcome.stderr).toBe(`addon not built: ${reason}${fallback}`)
    expect(outcome.status).toBe(0)
    expect(existsSync(join(folder, ADDON))).toBe(false)
  })
})

if (!existsSync(ADDON)) {
  console.warn('LEFT OUT: building the addon, for this machine has not built it before')
  it.skip('LEFT OUT, this machine builds no addon: building it', () => {})
} else {
  it('builds an addon that loads, once, and again when a source changed or it is told to', () => {
    const file = join(folder, ADDON)
    expect(build()).toEqual({ status: 0, stderr: `addon built: ${file}\n` })
    const addon = createRequire(import.meta.url)(file) as { crc32c(...values: unknown[]): number }
    expect(addon.crc32c(Buffer.from('123456789'), 0, 9, 0)).toBe(0xe3069283)

    const first = statSync(file)
    expect(build()).toEqual({ status: 0, stderr: '' })
    expect(statSync(file).ino).toBe(first.ino)
    appendFileSync(join(folder, 'native/crc32c.cc'), '\n// Another line.\n')
    expect(build().status).toBe(0)
    const second = statSync(file)
    expect(second.ino).not.toBe(first.ino) // Replaced, not overwritten: a process may have the old one loaded.
    expect(build({}, '--force').status).toBe(0)
    expect(statSync(file).ino).not.toBe(second.ino)
  })

  it('fails loudly when our code does not compile', () => {
    appendFileSync(join(folder, 'native/crc32c.cc'), '\nint Broken( {\n')
    const outcome = build()
    expect(outcome.status).toBe(1)
    expect(outcome.stderr).toContain('crc32c.cc')
    expect(outcome.stderr).toContain('the native addon does not compile')
    expect(existsSync(join(folder, ADDON))).toBe(false)
  })

  it('shows warnings as such, and builds', () => {
    appendFileSync(join(folder, 'native/crc32c.cc'), '\nstatic int Unused() { return 1; }\n')
    const outcome = build()
    expect(outcome.stderr).toContain('Unused')
    expect(outcome.stderr).toContain('WARNING: the addon compiles only with the warnings above')
    expect(outcome.status).toBe(0)
  })
}
