/**
 * TypeScript source with the parts blanked that a search must not look into. Just enough of a scanner for
 * that: comments, strings, template literals with code inside, and regular expressions told from divisions by
 * what stands before them. Invariant: the result has the length and the line breaks of the source.
 */

/** Comments blanked; strings stay. */
export function withoutComments(source: string): string {
  return scan(source, false)
}

/** Comments and the insides of strings and regular expressions blanked: what is left is code. */
export function codeOnly(source: string): string {
  return scan(source, true)
}

const COMMENT = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/y
const STRING = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/y
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y
/** The text of a template up to its end or to the code inside. */
const TEMPLATE_TEXT = /(?:\\[\s\S]|\$(?!\{)|[^`\\$])*(?:`|\$\{)?/y
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of))\s*$/

function scan(source: string, blanksText: boolean): string {
  let result = ''
  /** How many braces are open in each piece of code that stands inside a template. */
  const openBraces: number[] = []
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = result.length
    return pattern.exec(source)?.[0] ?? ''
  }
  const text = (found: string): string => (blanksText ? blank(found) : found)
  while (result.length < source.length) {
    const char = source[result.length]!
    const comment = char === '/' ? take(COMMENT) : ''
    if (comment !== '') result += blank(comment)
    else if (char === "'" || char === '"') result += text(take(STRING) || char)
    else if (char === '/' && BEFORE_REGEX.test(result.slice(-200))) result += text(take(REGEX) || char)
    else if (char === '`' || (char === '}' && openBraces.at(-1) === 0)) {
      if (char === '}') openBraces.pop()
      result += char
      const found = take(TEMPLATE_TEXT)
      if (found.endsWith('${')) openBraces.push(0)
      result += text(found)
    } else {
      if (openBraces.length > 0 && char === '{') openBraces[openBraces.length - 1]!++
      if (openBraces.length > 0 && char === '}') openBraces[openBraces.length - 1]!--
      result += char
    }
  }
  return result
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ')
}
