/**
 * `shoal seed`: serves torrents from what is on disk; with `--repair` it fetches what is
 * missing or wrong first.
 */
import type { CommandContext } from './command-context.ts'
import { runPeer } from './peer-run.ts'
import { expandTorrents, readTorrent } from './torrent-source.ts'

interface SeedOptions {
  readonly dir?: string
  readonly repair?: boolean
}

export async function run(context: CommandContext): Promise<number> {
  const { dir = '.', repair = false } = context.options as SeedOptions
  const role = repair ? 'download' : 'seed'
  const torrents = expandTorrents(context.args).map(
    (path) => ({ metainfo: readTorrent(path, context.output), dir, role }) as const,
  )
  await runPeer(context, { torrents, endsWhenComplete: false })
  return 0
}
