/** Values of command line options as benchmarks read them. */

/** Throws unless it is a number above zero. */
export function positiveNumber(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${name} takes a number above zero, not ${text}`)
  return value
}

export function optionalNumber(name: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : positiveNumber(name, text)
}

/** `a,b` as a list. */
export function wordList(text: string): string[] {
  return text.split(',').filter((word) => word !== '')
}
