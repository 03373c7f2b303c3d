/**
 * `shoal seed`: serves torrents from what is on disk; with `--repair` it fetches what is
 * missing or wrong first.
 */
import { existsSync } from 'node:fs'
import { toHex } from '../base/bytes.ts'
import { EarlyCheck } from '../nodejs/early-check.ts'
import { withOwnLayers } from '../nodejs/own-layers.ts'
import type { PeerNode } from '../nodejs/peer-node.ts'
import { placeNotePath } from '../nodejs/place-notes.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { absenceText, findAbsentPieces } from './absent-pieces.ts'
import type { CommandContext } from './command-context.ts'
import type { Output } from './output.ts'
import { seedNotesFolder } from './peer-options.ts'
import type { TorrentPlan } from './peer-run.ts'
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
    const early = repair || torrents.length > 0 ? undefined : checkIfUnknown(metainfo, dir, context.signal)
    torrents.push({ metainfo, dir, role, isRepair: repair, ...(early && { early }) })
  }
  // Loaded while the check goes on.
  const { planOf, runPeer } = await import('./peer-run.ts')
  await runPeer(context, {
    torrents: torrents.map((torrent) => planOf(torrent, context.output)),
    endsWhenComplete: false,
    onStarted: (node) => {
      if (!repair && !context.signal.aborted) warnOfGaps(torrents, node, context.output)
    },
  })
  return 0
}

/** Begins to check what no earlier run has left a note of. */
function checkIfUnknown(metainfo: Metainfo, dir: string, signal: AbortSignal): EarlyCheck | undefined {
  const infoHash = toHex(metainfo.infoHashV1 ?? metainfo.infoHashV2!)
  const note = placeNotePath(seedNotesFolder(process.env), infoHash, dir, 'seed')
  return existsSync(note) ? undefined : new EarlyCheck(metainfo, dir, signal)
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
