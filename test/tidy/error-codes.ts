/**
 * The error codes the sources can give, and those docs/errors.md lists. A code is a string literal
 * `area/what-went-wrong`: the first argument of `fail`, `fault` or `new ShoalError`, the second of `new
 * ApiProblem`, or any literal whose area is one of theirs.
 */
import { findLines, readText, sourceFiles } from './project-files.ts'
import { withoutComments } from './source-text.ts'

const CODE = "'([a-z][a-z0-9-]*/[a-z0-9][a-z0-9-]*)'"
const GIVEN = new RegExp(
  String.raw`(?:\b(?:fail|fault|ShoalError)\(|\bApiProblem\(\s*\d+,|\bcode:)\s*${CODE}`,
  'g',
)
const LITERAL = new RegExp(CODE, 'g')
const LISTED = /^\| `([a-z0-9-]+\/[a-z0-9-]+)`/gm
/** Decides what codes mean; gives none. */
const EXIT_STATUS = 'src/cli/exit-status.ts'

/** Code to the first file that gives it. */
export function codesInSource(): Map<string, string> {
  const sources = sourceFiles()
    .filter((file) => file !== EXIT_STATUS)
    .map((file) => ({ file, text: withoutComments(readText(file)) }))
  const areas = new Set(
    sources.flatMap(({ text }) => [...text.matchAll(GIVEN)].map(([, code]) => areaOf(code!))),
  )
  const codes = new Map<string, string>()
  for (const { file, text } of sources)
    for (const [, code] of text.matchAll(LITERAL))
      if (areas.has(areaOf(code!)) && !codes.has(code!)) codes.set(code!, file)
  return codes
}

export function codesInDocument(): string[] {
  return [...readText('docs/errors.md').matchAll(LISTED)].map(([, code]) => code!)
}

/** Codes put together from parts: nobody could search for them. */
export function composedCodes(): string[] {
  const composed = /`[a-z]+\/\$\{/
  return sourceFiles().flatMap((file) => findLines(file, readText(file), composed, 'write the code out'))
}

/** Codes that the exit status knows and nobody gives. */
export function strangeExitCodes(): string[] {
  const given = codesInSource()
  const known = [...withoutComments(readText(EXIT_STATUS)).matchAll(LITERAL)].map(([, code]) => code!)
  return known.filter((code) => !given.has(code))
}

function areaOf(code: string): string {
  return code.slice(0, code.indexOf('/'))
}
