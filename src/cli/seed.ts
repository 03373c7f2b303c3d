/**
 * `shoal seed`: serves torrents from what is on disk; with `--repair` it fetches what is
 * missing or wrong first.
 */
import type { PeerNode } from '../nodejs/peer-node.ts'
import { absenceText, findAbsentPieces } from './absent-pieces.ts'
import type { CommandContext } from './command-context.ts'
import type { Output } from './output.ts'
import { runPeer, type TorrentPlan } from './peer-run.ts'
import { expandTorrents, readTorrent } from './torrent-source.ts'

interface SeedOptions {
  readonly dir?: string
  readonly repair?: boolean
}

export async function run(context: CommandContext): Promise<number> {
  const { dir = '.', repair = false } = context.options as SeedOptions
  const role = repair ? 'download' : 'seed'
  const torrents = expandTorrents(context.args).map(
    (path) => ({ metainfo: readTorrent(path, context.output), dir, role, isRepair: repair }) as const,
  )
  await runPeer(context, {
    torrents,
    endsWhenComplete: false,
    onStarted: (node) => {
      if (!repair && !context.signal.aborted) warnOfGaps(torrents, node, context.output)
    },
  })
  return 0
}

/** One line for each torrent that is not wholly there. */
function warnOfGaps(torrents: readonly TorrentPlan[], node: PeerNode, output: Output): void {
  const states = node.status().torrents
  for (const [index, { metainfo, dir }] of torrents.entries()) {
    const gaps = states[index]?.missing ?? []
    if (gaps.length === 0) continue
    const absent = findAbsentPieces(metainfo, dir)
    let missing = 0
    let damaged = 0
    for (const [first, last] of gaps)
      for (let piece = first; piece <= last; piece++)
        if (absent.has(piece)) missing++
        else damaged++
    output.warning({
      code: 'seed/incomplete',
      message: `${metainfo.name}: ${absenceText(missing, damaged, metainfo.pieceCount)}; the rest is served`,
      hint: '`shoal verify` says which files, `shoal seed --repair` fetches what is missing or wrong.',
    })
  }
}
