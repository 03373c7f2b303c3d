/**
 * The only time there is below the edge: whole microseconds since the program (or the simulation) started.
 * Doubles hold them exactly for 285 years. Wall-clock time arrives as data where it is needed at all.
 */

export type Instant = number & { readonly __instant: never }

export const MICROSECONDS_PER_SECOND = 1_000_000

export function instant(microseconds: number): Instant {
  return Math.round(microseconds) as Instant
}

export function seconds(count: number): number {
  return Math.round(count * MICROSECONDS_PER_SECOND)
}

export function milliseconds(count: number): number {
  return Math.round(count * 1000)
}

/** `at` moved by a span in microseconds. */
export function after(at: Instant, span: number): Instant {
  return (at + span) as Instant
}

export function latest(a: Instant, b: Instant): Instant {
  return a > b ? a : b
}

export function earliest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b
  if (b === undefined) return a
  return a < b ? a : b
}
