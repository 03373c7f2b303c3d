/**
 * Programmer errors stop the program, in production too: a broken invariant must never
 * reach the disk or the wire.
 * Remote input is never asserted on; it becomes a `Fault` (see `result.ts`).
 */

export class AssertionFailed extends Error {
  override name = 'AssertionFailed'
}

export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new AssertionFailed(`invariant broken: ${what}`)
}
