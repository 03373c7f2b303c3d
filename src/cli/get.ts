/** `shoal get`: downloads what is missing, then keeps seeding, and at the end says who gave what. */
import { compileGlobs } from '../nodejs/file-glob.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { CommandContext } from './command-context.ts'
import { DownloadProgress } from './download-progress.ts'
import { trackerTiers } from './peer-options.ts'
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
  const progress = new DownloadProgress(metainfo, new Set(wanted))
  const startedAt = performance.now()
  await runPeer(context, {
    torrents: [{ metainfo, dir, role: seedOnly ? 'seed' : 'download', ...(selects && { select: selects }) }],
    endsWhenComplete: exit,
    onEvent: (event) => {
      tally.record(event)
      progress.record(event)
    },
    onStarted: (node) => {
      progress.update(node)
      if (!seedOnly && !progress.isComplete) warnIfNowhereToLook(context, metainfo, exit)
    },
    onEnding: (node) => progress.update(node),
  })
  const { isComplete, seconds } = progress
  tally.report(output, {
    seconds: seconds ?? (performance.now() - startedAt) / 1000,
    isComplete,
    missing: progress.missing,
  })
  if (isComplete || seedOnly) return 0
  output.text(`incomplete: ${progress.text}; run the same command again to go on`)
  return exit ? 1 : 0
}

/** Peers may still come by themselves, so this is no error. */
function warnIfNowhereToLook(
  { settings, output, signal }: CommandContext,
  metainfo: Metainfo,
  exit: boolean,
): void {
  if (signal.aborted || settings.peer.length > 0 || trackerTiers(settings, metainfo).length > 0) return
  const until = exit ? '; --exit waits for them' : ''
  output.warning({
    code: 'get/nowhere-to-look',
    message: `nobody to ask: no tracker and no --peer; peers must find this program by themselves${until}`,
    hint: 'Give --peer HOST:PORT or --tracker URL.',
  })
}
