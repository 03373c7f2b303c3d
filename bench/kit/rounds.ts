/**
 * Times code of this process: rounds of at least so many milliseconds, the first of which only warms up.
 * Every value of a round is kept, so that the spread is seen.
 */

export interface Rounds {
  readonly count: number
  readonly atLeastMs: number
}

/**
 * Operations per second, one value for each round.
 * @param work does some operations and says how many
 */
export function ratesPerSecond({ count, atLeastMs }: Rounds, work: () => number): number[] {
  const rates: number[] = []
  for (let round = 0; round <= count; round++) {
    const startedAt = performance.now()
    let operations = 0
    let elapsedMs = 0
    while (elapsedMs < atLeastMs) {
      operations += work()
      elapsedMs = performance.now() - startedAt
    }
    if (round > 0) rates.push((operations / elapsedMs) * 1000)
  }
  return rates
}
