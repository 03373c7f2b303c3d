/**
 * Text on its way to a terminal: made harmless, measured in columns, cut to fit.
 * Names come from strangers. Whatever could move the cursor, change colours or turn the reading direction is
 * shown as an escape instead (`\x1b`, `\u{202e}`). Invariant: `safeText` yields no control, no format
 * character but the joiners that scripts and emoji need, and no lone surrogate.
 */

const HARMFUL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu
const JOINERS = new Set(['\u200c', '\u200d'])

export function safeText(text: string): string {
  return text.replace(HARMFUL, (char) => {
    if (JOINERS.has(char)) return char
    const code = char.codePointAt(0)!
    if (char === '\n') return '\\n'
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
}

/** Combining marks, variation selectors among them. */
const ZERO_WIDTH = /[\p{Mn}\p{Me}]/u
const WIDE = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x1fa70, 0x1faff],
  [0x20000, 0x3fffd],
] as const

/** Columns that safe text takes on a terminal (East Asian wide characters and emoji take two). */
export function displayWidth(text: string): number {
  let width = 0
  for (const char of text) width += charWidth(char)
  return width
}

function charWidth(char: string): number {
  const code = char.codePointAt(0)!
  if (code < 0x300) return 1
  if (JOINERS.has(char) || ZERO_WIDTH.test(char)) return 0
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1
}

/** At most `columns` wide; what was cut is shown by an ellipsis. */
export function fitText(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text
  if (columns < 1) return ''
  let fitted = ''
  let width = 0
  for (const char of text) {
    if (width + charWidth(char) > columns - 1) break
    fitted += char
    width += charWidth(char)
  }
  return `${fitted}…`
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - displayWidth(text)))
}

export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - displayWidth(text))) + text
}
