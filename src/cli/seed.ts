/**
 * `shoal seed`: serves torrents from what is on disk; with `--repair` it fetches what is
 * missing or wrong first.
 */
import { withOwnLayers } from '../nodejs/own-layers.ts'
import type { PeerNode } from '../nodejs/peer-node.ts'
import { absenceText, findAbsentPieces } from './absent-pieces.ts'
import type { CommandContext } from './command-context.ts'
import type { Output } from './output.ts'
import { planOf, runPeer, type TorrentPlan } from './peer-run.ts'
import { expandTorrents, readTorrent } from './torrent-source.ts'

interface SeedOptions {
  readonly dir?: string
  readonly repair?: boolean
}

export async function run(context: CommandContext): Promise<number> {
  const { dir = '.', repair = false } = context.options as SeedOptions
  const role = repair ? 'download' : 'seed'
  const torrents: TorrentPlan[] = []
  for (const path of expandTorrents(context.args)) {
    const metainfo = await withOwnLayers(readTorrent(path, context.output), dir, context.signal)
    torrents.push({ metainfo, dir, role, isRepair: repair })
  }
  await runPeer(context, {
    torrents: torrents.map((torrent) => planOf(torrent, context.output)),
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
