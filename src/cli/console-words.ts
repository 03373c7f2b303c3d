/**
 * Words typed while a program runs, one a line: those the command offers (`status`, `peers`),
 * `help`, and the stop words, which all mean the same orderly stop. Any other word is called unknown, and
 * prints the help.
 * A closed standard input stops nothing.
 * On a terminal the line being typed is kept below the live bars, so typing and progress
 * do not overwrite one another.
 */
import { createInterface, type Interface } from 'node:readline'
import { Writable } from 'node:stream'
import type { Output } from './output.ts'
import { padEnd } from './terminal-text.ts'

export interface ConsoleWord {
  readonly word: string
  readonly about: string
  /** What may follow the word; without it nothing may. */
  readonly arguments?: string
  run(args: readonly string[]): void
}

/** Takes lines that are no word; false leaves one to the help. */
export type OtherLines = (line: string) => boolean

export interface ConsoleWordsOptions {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean; unref?(): unknown }
  readonly output: Output
  /** The orderly stop. */
  stop(): void
  /** Ctrl+C, which a terminal in raw mode hands over as a key. */
  interrupt(): void
}

export const STOP_WORDS: readonly string[] = ['end', 'quit', 'q', 'Q']

/** Room for all stop words. */
const HELP_COLUMNS = 15

export class ConsoleWords {
  readonly #options: ConsoleWordsOptions
  #words: readonly ConsoleWord[] = []
  #others: OtherLines | undefined
  #lines: Interface | undefined

  constructor(options: ConsoleWordsOptions) {
    this.#options = options
  }

  /** Begins to read standard input; until then it is left alone. */
  listen(words: readonly ConsoleWord[], others?: OtherLines): void {
    const { input, output } = this.#options
    this.#words = words
    this.#others = others
    const isTerminal = input.isTTY === true && output.isLive
    const lines = createInterface({ input, output: nowhere(), terminal: isTerminal, prompt: '' })
    this.#lines = lines
    lines.on('line', (line) => {
      if (isTerminal) this.#drawPrompt()
      this.#obey(line.trim())
    })
    lines.on('error', () => lines.close())
    lines.on('close', () => output.prompt(undefined))
    if (!isTerminal) return
    lines.on('SIGINT', () => this.#options.interrupt())
    input.on('keypress', () => this.#drawPrompt())
    this.#drawPrompt()
  }

  close(): void {
    this.#lines?.close()
    this.#lines = undefined
    this.#options.input.pause()
    this.#options.input.unref?.()
  }

  #drawPrompt(): void {
    if (this.#lines) this.#options.output.prompt(`> ${this.#lines.line}`, 2 + this.#lines.getCursorPos().cols)
  }

  #obey(line: string): void {
    if (line === '') return
    if (STOP_WORDS.includes(line)) {
      this.#options.output.event({ event: 'bye' })
      return this.#options.stop()
    }
    const [first, ...args] = line.split(/\s+/)
    const word = this.#words.find((known) => known.word === first)
    if (word && (args.length === 0 || word.arguments !== undefined)) word.run(args)
    else if (line === 'help' || !this.#others?.(line)) this.#help(line)
  }

  #help(line: string): void {
    const { output } = this.#options
    const unknown = line === 'help' ? undefined : line
    if (unknown !== undefined) output.text(`unknown command ${unknown}`)
    const entries = [
      ...this.#words.map(({ word, about, arguments: args }) => ({
        word: args === undefined ? word : `${word} ${args}`,
        about,
      })),
      { word: 'help', about: 'this list' },
      { word: STOP_WORDS.join(', '), about: 'stop in good order' },
    ]
    if (output.isJson) output.event({ event: 'help', words: entries, unknown })
    else output.text(...entries.map(({ word, about }) => `  ${padEnd(word, HELP_COLUMNS)}  ${about}`))
  }
}

/** Readline's echo goes nowhere; the renderer draws the line. */
function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() })
}
