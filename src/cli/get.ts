/** `shoal get`: downloads what is missing, then keeps seeding, and at the end says who gave what. */
import { compileGlobs } from '../nodejs/file-glob.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { CommandContext } from './command-context.ts'
import type { KnownEvent } from './events.ts'
import { runPeer } from './peer-run.ts'
import { PieceTally } from './piece-tally.ts'
import { readSource } from './torrent-source.ts'
import { formatBytes, formatCount } from './units.ts'

interface GetOptions {
  readonly dir?: string
  readonly select?: readonly string[]
  readonly exit?: boolean
  readonly seedOnly?: boolean
}

export async function run(context: CommandContext): Promise<number> {
  const { output } = context
  const { dir = '.', select, exit = false, seedOnly = false } = context.options as GetOptions
  if (exit && seedOnly)
    throw new ShoalError(
      'usage/contradiction',
      '--exit and --seed-only contradict one another',
      'A seed never completes; leave one of them out.',
    )
  const metainfo = readSource(context.args[0]!, output)
  const selects = select && compileGlobs(select)
  const files = metainfo.files.filter((file) => !file.isPad)
  const wanted = selects ? files.filter((file) => selects(file.path)) : files
  if (wanted.length === 0)
    throw new ShoalError(
      'usage/nothing-selected',
      'no file matches --select',
      'Run `shoal info` to see the paths.',
    )
  const bytes = wanted.reduce((sum, file) => sum + file.length, 0)
  const of = wanted.length < files.length ? ` of ${files.length}` : ''
  output.text(`${metainfo.name}: ${formatBytes(bytes)} in ${formatCount(wanted.length, 'file')}${of}`)
  const tally = new PieceTally(metainfo)
  const startedAt = performance.now()
  let seconds: number | undefined
  await runPeer(context, {
    torrents: [{ metainfo, dir, role: seedOnly ? 'seed' : 'download', ...(selects && { select: selects }) }],
    endsWhenComplete: exit,
    ...(exit && { sentences: { seeding: '' } }),
    onEvent: (event: KnownEvent) => {
      tally.record(event)
      if (event.event === 'complete') seconds = event.seconds
    },
  })
  tally.report(output, seconds ?? (performance.now() - startedAt) / 1000)
  return 0
}
