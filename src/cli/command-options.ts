/** A command's own options and arguments, validated like settings are. */
import type { Command } from 'commander'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { CommandDefinition } from './commands.ts'
import { parseSetting } from './setting-parser.ts'

/** Keyed by the camelCase of the long flag. Throws `usage/bad-option` and `usage/empty-argument`. */
export function validateOptions(
  definition: CommandDefinition,
  command: Command,
): Readonly<Record<string, unknown>> {
  if (command.args.includes('') && definition.allowsEmptyArguments !== true)
    throw new ShoalError(
      'usage/empty-argument',
      'an argument is empty',
      `Run \`shoal ${definition.name} --help\`.`,
    )
  const options: Record<string, unknown> = {}
  for (const { flags, kind, isRepeatable } of definition.options ?? []) {
    const option = command.options.find((known) => known.flags === flags)!
    const raw: unknown = command.getOptionValue(option.attributeName())
    if (raw === undefined) continue
    const validated = (one: unknown): unknown => {
      const result = parseSetting(kind, one)
      if (result.ok) return result.value
      const hint = `Run \`shoal ${definition.name} --help\`.`
      throw new ShoalError('usage/bad-option', `${option.long} ${result.error.message}`, hint)
    }
    options[option.attributeName()] = isRepeatable ? (raw as unknown[]).map(validated) : validated(raw)
  }
  return options
}
