import { CommanderError } from 'commander'
import { describe, expect, test } from 'vitest'
import { validateOptions } from './command-options.ts'
import { COMMANDS } from './commands.ts'
import { exitStatusOf } from './exit-status.ts'
import { buildProgram } from './program.ts'
import { SETTING_NAMES } from './settings.ts'

/** The one command, parsed as if it had been typed. */
async function typed(...argv: string[]) {
  let parsed:
    | { options: Readonly<Record<string, unknown>>; values: Record<string, unknown>; args: string[] }
    | undefined
  const program = buildProgram(true, async (definition, command) => {
    parsed = { options: validateOptions(definition, command), values: command.opts(), args: command.args }
  })
  await program.parseAsync(argv, { from: 'user' })
  return parsed!
}

describe('the table', () => {
  test('has the commands of this release', () => {
    expect(COMMANDS.map(({ name }) => name)).toEqual([
      'create',
      'info',
      'verify',
      'share',
      'seed',
      'get',
      'ls',
      'launch',
      'peers',
      'locations',
      'tracker',
      'payload',
      'invite',
      'join',
      'ask',
      'stats',
      'log',
      'demo',
      'config',
    ])
  })

  test.each(COMMANDS.map((command) => [command.name, command] as const))(
    '%s documents all it takes',
    (name, definition) => {
      const command = buildProgram(false, async () => {}).commands.find((known) => known.name() === name)!
      const help = command.helpInformation()
      for (const option of command.options) {
        expect(option.description).toMatch(/^[a-zA-Z].*[^.]$/)
        expect(help.includes(`${option.long!} `) || help.includes(`${option.long!}\n`)).toBe(!option.hidden)
      }
      expect(command.options.length).toBe(
        (definition.options?.length ?? 0) + definition.groups.flatMap((group) => group.settings).length,
      )
      expect(definition.examples.every((example) => example.includes(`shoal ${name}`))).toBe(true)
    },
  )

  test('what has no effect yet is taken and not told', async () => {
    const command = buildProgram(false, async () => {}).commands.find((known) => known.name() === 'get')!
    expect(command.helpInformation()).not.toMatch(/--no-dht|without effect/)
    expect((await typed('get', 'a', '--no-dht')).values).toMatchObject({ 'setting:dht': false })
  })

  test('config takes every setting but the two whose flags belong to the tracker', () => {
    const config = COMMANDS.find(({ name }) => name === 'config')!
    const taken = config.groups.flatMap((group) => group.settings)
    expect(SETTING_NAMES.filter((name) => !taken.includes(name))).toEqual(['trackerPort'])
  })
})

describe('parsing', () => {
  test('settings and own options are kept apart', async () => {
    const { options, values, args } = await typed(
      'get',
      'a.torrent',
      '--exit',
      '-s',
      '*.jpg',
      '--select',
      'b/**',
      '--no-tracker',
      '--port',
      '0',
    )
    expect(options).toEqual({ exit: true, select: ['*.jpg', 'b/**'] })
    expect(values).toMatchObject({ 'setting:useTracker': false, 'setting:port': '0' })
    expect(args).toEqual(['a.torrent'])
  })

  test.each([
    [['shre', 'x'], 'commander.unknownCommand'],
    [['get'], 'commander.missingArgument'],
    [['get', 'a', 'b'], 'commander.excessArguments'],
    [['get', 'a', '--frob'], 'commander.unknownOption'],
    [['get', 'a', '--dir'], 'commander.optionMissingArgument'],
    [[], 'commander.help'],
  ])('%j is refused', async (argv, code) => {
    await expect(typed(...argv)).rejects.toSatisfy(
      (error) => error instanceof CommanderError && error.code === code,
    )
  })

  test.each([
    [['get', ''], 'usage/empty-argument'],
    [['get', 'a', '--dir='], 'usage/bad-option'],
    [['demo', '--images', 'nan'], 'usage/bad-option'],
    [['demo', '--images', '-3'], 'usage/bad-option'],
  ])('%j is refused', async (argv, code) => {
    await expect(typed(...argv)).rejects.toMatchObject({ code })
  })
})

test('exit statuses follow the code', () => {
  expect(
    ['usage/bad-setting', 'metainfo/no-info', 'listen/port-in-use', 'storage/not-found'].map(exitStatusOf),
  ).toEqual([2, 2, 2, 2])
  expect(['storage/disk-full', 'internal/unexpected', 'transfer/compromised'].map(exitStatusOf)).toEqual([
    1, 1, 1,
  ])
})
