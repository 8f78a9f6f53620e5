/** Failpoints: what VLTAVA_FAILPOINTS may say, and what then happens. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { createFailpoint } from '../../src/base/env/failpoints.ts'
import { errnoOf } from '../../src/base/errors.ts'

function codeOf(call: () => void): string {
  try {
    call()
  } catch (error) {
    return errnoOf(error) || (error instanceof Error ? error.name : 'not an Error')
  }
  return 'returned'
}

it('does nothing without a specification', () => {
  for (const specification of [undefined, '']) {
    expect(codeOf(() => createFailpoint(specification)('segment.append'))).toBe('returned')
  }
})

it('acts at the named place only', () => {
  const failpoint = createFailpoint('segment.append=eio')
  expect(codeOf(() => failpoint('segment.roll'))).toBe('returned')
  expect(codeOf(() => failpoint('segment.append'))).toBe('EIO')
})

it('fails as a disk does, or as a bug does', () => {
  const failpoint = createFailpoint('a=eio, b=enospc,c=throw')
  expect(codeOf(() => failpoint('a'))).toBe('EIO')
  expect(codeOf(() => failpoint('b'))).toBe('ENOSPC')
  expect(() => failpoint('c')).toThrow(AssertionFailed)
})

it('acts at the k-th hit, and at no other', () => {
  const failpoint = createFailpoint('a=eio:3')
  const codes = Array.from({ length: 6 }, () => codeOf(() => failpoint('a')))
  expect(codes).toEqual(['returned', 'returned', 'EIO', 'returned', 'returned', 'returned'])
})

it('names may hold colons', () => {
  const failpoint = createFailpoint('roll:before-seal=eio:2')
  expect(codeOf(() => failpoint('roll:before-seal'))).toBe('returned')
  expect(codeOf(() => failpoint('roll:before-seal'))).toBe('EIO')
})

it('acts once for all threads and processes that share a folder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vltava-once-'))
  try {
    const hit = (name: string): string => codeOf(() => createFailpoint('a:b=eio,c=eio', folder)(name))
    expect([hit('a:b'), hit('a:b'), hit('c'), hit('c')]).toEqual(['EIO', 'returned', 'EIO', 'returned'])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

it.each(['a', 'a=', 'a=explode', 'a=eio:0', 'a=eio:x', '=eio', 'a=eio,', 'a=eio,a=exit', 'a=eio:1:2'])(
  'refuses %s',
  (specification) => {
    expect(() => createFailpoint(specification)).toThrow(/VLTAVA_FAILPOINTS/)
  },
)

it('kills the process by SIGKILL, with nothing flushed, from the environment of a real process', () => {
  const module = pathToFileURL('dist/base/env/real-env.js').href
  const script = `
    import { realEnv } from '${module}'
    process.on('exit', () => console.log('exit handler ran'))
    realEnv.failpoint('a')
    console.log('after the first hit')
    realEnv.failpoint('a')
    console.log('after the second hit')`
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, VLTAVA_FAILPOINTS: 'a=exit:2' },
  })
  expect(child.stderr).toBe('')
  expect({ signal: child.signal, stdout: child.stdout }).toEqual({ signal: 'SIGKILL', stdout: 'after the first hit\n' })
})
