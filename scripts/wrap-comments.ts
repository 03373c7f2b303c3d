/**
 * Wraps comments at column 110, which the formatter leaves alone: `node scripts/wrap-comments.ts FILE...`, or
 * the whole project without arguments (part of `npm run format`). Only a paragraph with a
 * line that is too long is touched, from that line on; a line after a full stop begins a
 * paragraph, and lists and pictures stay.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { projectFiles } from '../test/tidy/project-files.ts'

const WIDTH = 110
/** A shorter last line makes the others narrower, down to this. */
const LAST_LINE_MIN = 30
const WIDTH_MIN = 90
/** Indentation and mark, then the text; an indented text is a picture or code. */
const COMMENT_LINE = /^(\s*(?:\*|\/\/) )(\S.*)$/
const ONE_LINE_BLOCK = /^(\s*)\/\*\* (.*) \*\/$/
/** Text that begins something of its own. */
const BEGINS = /^(?:[-*|@#]|\d+\.) ?/

export function wrapComments(source: string): string {
  const lines = source.split('\n').flatMap(openBlock)
  const wrapped: string[] = []
  for (let i = 0; i < lines.length; i++) {
    const found = lines[i]!.length > WIDTH ? COMMENT_LINE.exec(lines[i]!) : null
    if (found === null) {
      wrapped.push(lines[i]!)
      continue
    }
    const mark = found[1]!
    let text = found[2]!
    while (continues(text, lines[i + 1], mark)) text += ` ${lines[++i]!.slice(mark.length)}`
    wrapped.push(...fill(text, mark))
  }
  return wrapped.join('\n')
}

/** A one-line block that is too long gets its marks on lines of their own. */
function openBlock(line: string): string[] {
  const found = line.length > WIDTH ? ONE_LINE_BLOCK.exec(line) : null
  return found === null ? [line] : [`${found[1]}/**`, `${found[1]} * ${found[2]}`, `${found[1]} */`]
}

/** Whether `line` goes on with the paragraph that ends in `text`. */
function continues(text: string, line: string | undefined, mark: string): boolean {
  if (line === undefined || COMMENT_LINE.exec(line)?.[1] !== mark) return false
  const next = line.slice(mark.length)
  return !BEGINS.test(next) && !(/[.:]$/.test(text) && /^[A-Z`]/.test(next))
}

function fill(text: string, mark: string): string[] {
  let lines = fillAt(text, WIDTH - mark.length)
  for (let width = WIDTH - 2; width >= WIDTH_MIN && lines.at(-1)!.length < LAST_LINE_MIN; width -= 2) {
    const narrower = fillAt(text, width - mark.length)
    if (narrower.length > lines.length) break
    lines = narrower
  }
  return lines.map((line) => mark + line)
}

function fillAt(text: string, width: number): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!
    if (line === '') lines[lines.length - 1] = word
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}

if (import.meta.main) {
  const files =
    process.argv.length > 2
      ? process.argv.slice(2)
      : [...projectFiles('', '.ts'), ...projectFiles('', '.mjs')]
  for (const file of files) {
    const source = readFileSync(file, 'utf8')
    const wrapped = wrapComments(source)
    if (wrapped !== source) writeFileSync(file, wrapped)
  }
}
