/** `shoal ask`: asks a peer whether chunks of a payload string stand where one says. */
import { askClaims } from './claims-query.ts'
import type { CommandContext } from './command-context.ts'

interface AskOptions {
  readonly payload?: string
  readonly claim?: readonly string[]
}

export async function run(context: CommandContext): Promise<number> {
  const { payload = '', claim = [] } = context.options as AskOptions
  await askClaims(context, { peer: context.args[0]!, id: payload, claims: claim })
  return 0
}
