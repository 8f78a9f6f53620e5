/**
 * The assignors that members may ask for by name.
 */
import type { Assignor } from './assignor.ts'
import { assignRange } from './range.ts'
import { assignUniform } from './uniform.ts'

export const DEFAULT_ASSIGNOR = 'uniform'

const ASSIGNORS: ReadonlyMap<string, Assignor> = new Map([
  [DEFAULT_ASSIGNOR, assignUniform],
  ['range', assignRange],
])

export function assignorNamed(name: string): Assignor | undefined {
  return ASSIGNORS.get(name)
}
