import { describe, expect, it } from 'vitest'
import { assert, AssertionFailed, unreachable } from '../../src/base/assert.ts'
import { VltavaError } from '../../src/base/errors.ts'

describe('an assertion', () => {
  it('says nothing while it holds', () => {
    expect(() => assert(true, 'one is one')).not.toThrow()
  })

  it('throws what was asserted, as an error that is no VltavaError: nobody handles it', () => {
    let caught: unknown
    try {
      assert(false, 'one is two')
    } catch (error) {
      caught = error
    }
    expect(caught).toBeInstanceOf(AssertionFailed)
    expect(caught).not.toBeInstanceOf(VltavaError)
    expect(caught).toMatchObject({ name: 'AssertionFailed', message: 'one is two' })
  })

  it('tells which value reached the end of a switch', () => {
    const value: string = 'other'
    expect(() => unreachable(value as never)).toThrow(new AssertionFailed('unreachable value other'))
  })
})
