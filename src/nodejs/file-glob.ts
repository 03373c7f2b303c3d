/**
 * Patterns for file paths, as shells write them: `*` and `?` within a name, `[a-z]` and
 * `[!a-z]` for one character, `**` for any number of folders, `{jpg,png}` for alternatives, `\`
 * before a character that means itself.
 * A pattern without `/` is tried on every name of the path, one with `/` from the top of the content; a
 * pattern that matches a folder matches everything in it. Hidden files are like others.
 * Invariant: time is bounded by pattern length x path length; no pattern makes it grow beyond that.
 */
import { ShoalError } from './shoal-error.ts'

type Matcher = (char: string) => boolean
/** One character, or any run of characters. */
type Token = Matcher | '*'
type Component = readonly Token[] | '**'

const ALTERNATIVES_MAX = 256
const ANY: Matcher = () => true

/** True when one of the patterns matches the path or a folder it is in. Throws `usage/bad-pattern`. */
export function compileGlobs(patterns: readonly string[]): (path: readonly string[]) => boolean {
  const compiled = patterns.flatMap(expandBraces).map(compile)
  return (path) => compiled.some((matches) => matches(path))
}

function compile(pattern: string): (path: readonly string[]) => boolean {
  const parts = pattern.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.length === 0) throw badPattern(pattern, 'is empty')
  const components = parts.map((part): Component => (part === '**' ? '**' : tokenize(part, pattern)))
  const [only] = components
  if (!pattern.includes('/') && only !== undefined && only !== '**') {
    return (path) => path.some((name) => matchesAll(only, [...name], accepts, '*'))
  }
  const below = components.at(-1) === '**' ? components : [...components, '**' as const]
  return (path) =>
    matchesAll(
      below,
      path,
      (component, name) => component === '**' || matchesAll(component, [...name], accepts, '*'),
      '**',
    )
}

function accepts(token: Token, char: string): boolean {
  return token === '*' || token(char)
}

/** Wildcard matching with one place to come back to: the last wildcard. */
function matchesAll<T, W extends T, I>(
  pattern: readonly T[],
  items: readonly I[],
  accepts: (part: T, item: I) => boolean,
  wildcard: W,
): boolean {
  let p = 0
  let i = 0
  let wildcardAt = -1
  let resumeAt = 0
  while (i < items.length) {
    if (p < pattern.length && pattern[p] === wildcard) {
      wildcardAt = p++
      resumeAt = i
    } else if (p < pattern.length && accepts(pattern[p]!, items[i]!)) {
      p++
      i++
    } else if (wildcardAt >= 0) {
      p = wildcardAt + 1
      i = ++resumeAt
    } else return false
  }
  while (pattern[p] === wildcard) p++
  return p === pattern.length
}

function tokenize(part: string, pattern: string): Token[] {
  const tokens: Token[] = []
  const chars = [...part]
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i]!
    if (char === '*') tokens.push('*')
    else if (char === '?') tokens.push(ANY)
    else if (char === '[') {
      const end = chars.indexOf(']', chars[i + 1] === '!' || chars[i + 1] === '^' ? i + 3 : i + 2)
      if (end < 0) throw badPattern(pattern, 'has a [ without ]')
      tokens.push(characterSet(chars.slice(i + 1, end)))
      i = end
    } else {
      if (char === '\\' && ++i === chars.length) throw badPattern(pattern, 'ends with a single \\')
      const literal = chars[i]!
      tokens.push((other) => other === literal)
    }
  }
  return tokens
}

function characterSet(chars: readonly string[]): Matcher {
  const isNegated = chars[0] === '!' || chars[0] === '^'
  const members = isNegated ? chars.slice(1) : chars
  const ranges: [string, string][] = []
  for (let i = 0; i < members.length; i++) {
    const isRange = members[i + 1] === '-' && i + 2 < members.length
    ranges.push([members[i]!, members[isRange ? i + 2 : i]!])
    if (isRange) i += 2
  }
  const isMember: Matcher = (char) =>
    ranges.some(([from, to]) => ordinal(from) <= ordinal(char) && ordinal(char) <= ordinal(to))
  return isNegated ? (char) => !isMember(char) : isMember
}

function ordinal(char: string): number {
  return char.codePointAt(0)!
}

/** `a{b,c}d` is `abd` and `acd`; braces may be nested. */
function expandBraces(pattern: string): string[] {
  const done: string[] = []
  const open = [pattern]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const group = firstGroup(next)
    if (group === undefined) done.push(next)
    else open.push(...group)
    if (done.length + open.length > ALTERNATIVES_MAX) throw badPattern(pattern, 'has too many alternatives')
  }
  return done
}

/** The pattern once for each alternative of its first `{...}`, undefined without one. */
function firstGroup(pattern: string): string[] | undefined {
  const commas: number[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]!
    if (char === '\\') i++
    else if (char === '{' && depth++ === 0) start = i
    else if (char === ',' && depth === 1) commas.push(i)
    else if (char === '}' && depth > 0 && --depth === 0) {
      const bounds = [start, ...commas, i]
      return bounds
        .slice(1)
        .map((end, k) => pattern.slice(0, start) + pattern.slice(bounds[k]! + 1, end) + pattern.slice(i + 1))
    }
  }
  if (depth > 0) throw badPattern(pattern, 'has a { without }')
  return undefined
}

function badPattern(pattern: string, what: string): ShoalError {
  return new ShoalError(
    'usage/bad-pattern',
    `The pattern ${JSON.stringify(pattern)} ${what}.`,
    'Examples: *.tmp, cache/**, **/*.{jpg,png}',
  )
}
