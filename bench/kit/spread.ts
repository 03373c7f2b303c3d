/** What several repetitions of one figure come to: median and range. */

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  /** One for each repetition, in order. */
  readonly values: readonly number[]
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), values }
}

/** Three significant digits, without an exponent. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '-'
  if (value === 0 || Math.abs(value) >= 100) return value.toFixed(0)
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(Math.abs(value) < 0.1 ? 3 : 2)
}

/** `3.40 [3.18-6.65]`; the median alone where there is one value. */
export function formatSpread({ median, min, max, values }: Spread): string {
  const range = values.length > 1 ? ` [${formatNumber(min)}-${formatNumber(max)}]` : ''
  return formatNumber(median) + range
}
