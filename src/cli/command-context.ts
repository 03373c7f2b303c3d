/** What every command's `run` is given. Commands touch the world only through this and their arguments. */
import type { ConsoleWords } from './console-words.ts'
import type { Output } from './output.ts'
import type { Settings } from './settings.ts'
import type { ResolvedSetting } from './settings-resolution.ts'

export interface CommandContext {
  /** Positional arguments; a variadic one is spread. */
  readonly args: readonly string[]
  /** The options of this command alone (not the settings), as commander parsed them. */
  readonly options: Readonly<Record<string, unknown>>
  readonly settings: Settings
  /** Every setting with where its value comes from. */
  readonly resolved: readonly ResolvedSetting[]
  readonly output: Output
  /** Aborted by the first Ctrl+C or SIGTERM, and by the console words that end a program. */
  readonly signal: AbortSignal
  readonly words: ConsoleWords
}

/**
 * A command's module. The number is the exit status: 0 done, 1 failed; what is thrown
 * decides between 1 and 2.
 */
export interface CommandModule {
  run(context: CommandContext): Promise<number>
}
