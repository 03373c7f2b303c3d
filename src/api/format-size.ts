/** Sizes for people, in steps of 1000, as `src/cli/units.ts` writes them: `2.7 MB`. */
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB']

export function formatSize(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0
  return `${value.toFixed(digits)} ${UNITS[unit]}`
}
