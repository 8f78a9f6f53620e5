/**
 * Assertions: a broken invariant is a bug in this engine, never bad input (that is a typed error, see errors.ts).
 *
 * Never caught inside a shard: the worker ends, the dispatcher throws its shared memory away and reopens its
 * partitions from disk. `what` must be a constant string: a template literal is built on every call, true or false.
 */
export class AssertionFailed extends Error {
  override readonly name = 'AssertionFailed'
}

export function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new AssertionFailed(what)
}

/** The end of an exhaustive `switch`: does not compile while a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionFailed(`unreachable value ${String(value)}`)
}
