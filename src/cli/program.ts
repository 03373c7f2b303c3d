/**
 * From the command line to an exit status: builds the commander program from the command table, resolves
 * settings, runs the command and reports what went wrong in two lines.
 * Invariant: whatever happens, the user sees no stack trace, and with `--json` standard
 * output stays JSON lines.
 */
import { Command, CommanderError, Option } from 'commander'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { closest } from './closest-word.ts'
import { COMMANDS, type CommandDefinition, type CommandOption } from './commands.ts'
import { ConsoleWords } from './console-words.ts'
import { exitStatusOf } from './exit-status.ts'
import { asShoalError, Output } from './output.ts'
import { isListKind } from './setting-kinds.ts'
import { settingText } from './setting-text.ts'
import { type SettingName, type Settings, settingFlag, settingOf } from './settings.ts'
import { Shutdown } from './shutdown.ts'
import { formatVersion, readVersion } from './version.ts'

/** Runs the command line; resolves to the exit status. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  const isJson = optionsOf(argv).includes('--json')
  const shutdown = new Shutdown()
  /** Why what was to be read is not all there; a reader that has gone away wants no more. */
  let unwritten: NodeJS.ErrnoException | undefined
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (stream === process.stdout && error.code !== 'EPIPE') unwritten ??= error
      shutdown.begin()
    })
  let status = 0
  const run: Run = async (definition, command) => {
    status = await runCommand(definition, command, shutdown)
  }
  const program = buildProgram(isJson, run, new Set(argv))
  try {
    refuseUnknownHelp(argv)
    await program.parseAsync(argv, { from: 'user' })
    // Not told on the stream that failed.
    return unwritten === undefined ? status : await report(outputError(unwritten), false)
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    if (error instanceof CommanderError && error.code === 'commander.help') program.outputHelp()
    return await report(error, isJson)
  }
}

/** Commander answers `help bananas` with the help for everything. */
function refuseUnknownHelp(argv: readonly string[]): void {
  const [first, topic] = optionsOf(argv).filter((word) => !word.startsWith('-'))
  const names = [...COMMANDS.map(({ name }) => name), 'help']
  if (first !== 'help' || topic === undefined || names.includes(topic)) return
  const guess = closest(topic, names)
  throw new ShoalError(
    'usage/unknown-command',
    `unknown command '${topic}'`,
    guess ? `Did you mean ${guess}?` : 'Run `shoal --help` for the list.',
  )
}

type Run = (definition: CommandDefinition, command: Command) => Promise<void>

/**
 * The commander program for the whole table; `run` is called with the command that was named.
 * @param words commands that are not among them are without their options, which take a tenth of a start
 */
export function buildProgram(isJson: boolean, run: Run, words?: ReadonlySet<string>): Command {
  const program = new Command('shoal')
    .description('Share whole libraries of files, peer to peer.')
    .usage('COMMAND [OPTIONS]')
    .version(formatVersion(readVersion()), '-V, --version', 'version of Shoal and of Node.js')
    .helpOption('-h, --help', 'this help')
    .helpCommand('help [COMMAND]', 'help for a command')
    .addHelpText('after', '\nEvery command has --help. `shoal demo` shows the whole system on this machine.')
    .configureHelp({ minWidthToWrap: 24, subcommandTerm })
    .exitOverride()
    .configureOutput({ writeErr: () => {}, writeOut: (text) => writeHelp(text, isJson) })
  for (const definition of COMMANDS) {
    const command = buildCommand(definition, run).copyInheritedSettings(program)
    if (words?.has(definition.name) ?? true) addOptions(command, definition)
    program.addCommand(command)
  }
  return program
}

function subcommandTerm(command: Command): string {
  return `${command.name()} ${command.usage().replace('[options]', '').trim()}`
}

function buildCommand(definition: CommandDefinition, run: Run): Command {
  const command = new Command(definition.name).summary(definition.summary).description(definition.description)
  if (definition.arguments) command.arguments(definition.arguments)
  command.addHelpText(
    'after',
    `\nExamples:\n${definition.examples.map((example) => `  $ ${example}`).join('\n')}`,
  )
  command.action(() => run(definition, command))
  return command
}

function addOptions(command: Command, definition: CommandDefinition): void {
  for (const option of definition.options ?? [])
    command.addOption(commandOption(option).helpGroup('Options:'))
  for (const group of definition.groups)
    for (const name of group.settings)
      command.addOption(
        settingOption(name)
          .helpGroup(`${group.title}:`)
          .hideHelp(settingOf(name).isLater === true),
      )
}

function commandOption(definition: CommandOption): Option {
  const option = new Option(definition.flags, definition.about)
  return definition.isRepeatable ? option.argParser(collected) : option
}

/** How a setting's value is kept apart from the command's own options. */
const SETTING_PREFIX = 'setting:'

/**
 * Values are only gathered here; `settings-resolution.ts` validates them together with
 * those of other origins.
 */
function settingOption(name: SettingName): Option {
  const { kind, about, defaultText, default: fallback } = settingOf(name)
  const flag = settingFlag(name)
  if (kind.type === 'switch')
    return new NamedOption(flag, flag.startsWith('--no-') ? `do not ${about}` : about, name)
  const shown = defaultText ?? settingText(kind, fallback)
  const option = new NamedOption(
    `${flag} <${kind.placeholder}>`,
    shown ? `${about} (default: ${shown})` : about,
    name,
  )
  return isListKind(kind) ? option.argParser(collected) : option
}

/** Stored under the setting's name, so `--port` of the tracker and `--no-ring` keep apart from others. */
class NamedOption extends Option {
  readonly #name: SettingName

  constructor(flags: string, about: string, name: SettingName) {
    super(flags, about)
    this.#name = name
  }

  override attributeName(): string {
    return SETTING_PREFIX + this.#name
  }
}

function collected(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value]
}

async function runCommand(
  definition: CommandDefinition,
  command: Command,
  shutdown: Shutdown,
): Promise<number> {
  const { run } = await definition.load()
  const [{ resolveSettings, unknownVariables }, { readConfigFile }, { validateOptions }] = await Promise.all([
    import('./settings-resolution.ts'),
    import('./config-file.ts'),
    import('./command-options.ts'),
  ])
  const environment = process.env
  const given = Object.entries(command.opts()).filter(
    ([key]) => key.startsWith(SETTING_PREFIX) && command.getOptionValueSource(key) === 'cli',
  )
  const flags = Object.fromEntries(given.map(([key, value]) => [key.slice(SETTING_PREFIX.length), value]))
  const { settings, resolved } = resolveSettings({
    flags,
    environment,
    file: readConfigFile(environment),
  })
  const options = validateOptions(definition, command)
  const output = await openOutput(settings)
  const words = new ConsoleWords({
    input: process.stdin,
    output,
    stop: () => shutdown.begin(),
    interrupt: () => shutdown.interrupt(),
  })
  for (const { name, guess } of unknownVariables(environment))
    output.warning({
      code: 'usage/unknown-variable',
      message: `there is no setting ${name}`,
      hint: guess ? `Did you mean ${guess}?` : '`shoal config --json` lists every variable.',
    })
  shutdown.listen()
  try {
    return await run({
      args: command.args,
      options,
      settings,
      resolved,
      output,
      signal: shutdown.signal,
      words,
    })
  } catch (error) {
    output.error(error)
    return statusOf(error)
  } finally {
    words.close()
    await output.end()
  }
}

async function openOutput(settings: Settings): Promise<Output> {
  const { json, quiet, verbose, logFile, logKeep } = settings
  const log = logFile === 'off' ? undefined : new (await import('./log-file.ts')).LogFile(logFile, logKeep)
  return new Output({
    json,
    quiet,
    verbose,
    logFile: log,
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
  })
}

/** For what goes wrong before a command has an output of its own. */
async function report(error: unknown, isJson: boolean): Promise<number> {
  const known = error instanceof CommanderError ? usageError(error) : error
  const verbose = { tracker: 0, serve: 0, fetch: 0 }
  const output = new Output({
    json: isJson,
    quiet: false,
    verbose,
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
  })
  output.error(known)
  await output.end()
  return statusOf(known)
}

function statusOf(error: unknown): number {
  if (process.env.SHOAL_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  return exitStatusOf(asShoalError(error).code)
}

/** Commander's names for what may be wrong, and ours. */
const USAGE_CODES: Readonly<Record<string, string>> = {
  'commander.unknownCommand': 'usage/unknown-command',
  'commander.unknownOption': 'usage/unknown-option',
  'commander.missingArgument': 'usage/missing-argument',
  'commander.optionMissingArgument': 'usage/missing-value',
  'commander.excessArguments': 'usage/excess-arguments',
}

/** Commander's first line says what is wrong, a second one may suggest a word. */
function usageError(error: CommanderError): ShoalError {
  if (error.code === 'commander.help')
    return new ShoalError(
      'usage/no-command',
      'no command given',
      'Run `shoal --help` for the list, or `shoal demo` to see it work.',
    )
  const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n')
  const hint = suggestion?.replace(/^\((.*)\)$/, '$1') ?? 'Run `shoal --help`, or a command with --help.'
  return new ShoalError(USAGE_CODES[error.code] ?? 'usage/bad-usage', message, hint)
}

function outputError(cause: NodeJS.ErrnoException): ShoalError {
  return new ShoalError(
    'output/not-written',
    `the output could not be written: ${cause.message}`,
    'Part of it is missing. Send it to a disk that has room.',
    { cause },
  )
}

function writeHelp(text: string, isJson: boolean): void {
  process.stdout.write(isJson ? `${JSON.stringify({ event: 'help', text })}\n` : text)
}

/** What stands before `--`. */
function optionsOf(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--')
  return end < 0 ? argv : argv.slice(0, end)
}
