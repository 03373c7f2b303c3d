/** `shoal get`: downloads what is missing, then keeps seeding, and at the end says who gave what. */
import { compileGlobs } from '../nodejs/file-glob.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { metainfoOfMagnet } from '../swarm/magnet-torrent.ts'
import type { Magnet } from '../wire/magnet.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { CommandContext } from './command-context.ts'
import { Download, type Select } from './download.ts'
import { trackerTiers } from './peer-options.ts'
import { type MagnetPlan, runPeer, type TorrentPlan } from './peer-run.ts'
import { readSource } from './torrent-source.ts'

interface GetOptions {
  readonly dir?: string
  readonly select?: readonly string[]
  readonly exit?: boolean
  readonly seedOnly?: boolean
}

export async function run(context: CommandContext): Promise<number> {
  const { output, settings } = context
  const { dir = '.', select, exit = false, seedOnly = false } = context.options as GetOptions
  if (exit && seedOnly)
    throw new ShoalError(
      'usage/contradiction',
      '--exit and --seed-only contradict one another',
      'A seed never completes; leave one of them out.',
    )
  const source = readSource(context.args[0]!, output)
  const download = new Download(output)
  const role = seedOnly ? 'seed' : 'download'
  const selects = select && compileGlobs(select)
  const torrent: TorrentPlan | MagnetPlan =
    'files' in source
      ? { metainfo: source, dir, role, ...download.begin(source, selects) }
      : {
          magnet: { metainfo: metainfoOfMagnet(source), peers: source.peers },
          plan: (metainfo) => ({
            ...{ metainfo, dir, role },
            ...download.begin(metainfo, selects ?? selectOnly(source, metainfo)),
          }),
        }
  if ('magnet' in torrent) {
    output.text(`${torrent.magnet.metainfo.name}: asking peers for the metadata`)
    const peerCount = settings.peer.length + torrent.magnet.peers.length
    warnIfNowhereToLook(context, torrent.magnet.metainfo, exit, peerCount)
  }
  const startedAt = performance.now()
  await runPeer(context, {
    torrents: [torrent],
    endsWhenComplete: exit,
    onEvent: (event) => download.record(event),
    onStarted: (node) => {
      download.update(node)
      if (!seedOnly && !download.isComplete && 'metainfo' in torrent)
        warnIfNowhereToLook(context, torrent.metainfo, exit)
    },
    onEnding: (node) => download.update(node),
  })
  download.report((performance.now() - startedAt) / 1000)
  if (download.isComplete || seedOnly) return 0
  output.text(`incomplete: ${download.text}; run the same command again to go on`)
  return exit ? 1 : 0
}

/** The files that the link wants (`so`, BEP 53); undefined for all. */
function selectOnly({ selectOnly }: Magnet, { files }: Metainfo): Select | undefined {
  if (selectOnly.length === 0) return undefined
  const paths = new Set<readonly string[]>()
  for (const { first, last } of selectOnly)
    for (const file of files.slice(first, last + 1)) paths.add(file.path)
  return (path) => paths.has(path)
}

/** Peers may still come by themselves, so this is no error. */
function warnIfNowhereToLook(
  { settings, output, signal }: CommandContext,
  metainfo: Metainfo,
  exit: boolean,
  peerCount = settings.peer.length,
): void {
  if (signal.aborted || peerCount > 0 || trackerTiers(settings, metainfo).length > 0) return
  const until = exit ? '; --exit waits for them' : ''
  output.warning({
    code: 'get/nowhere-to-look',
    message: `nobody to ask: no tracker and no --peer; peers must find this program by themselves${until}`,
    hint: 'Give --peer HOST:PORT or --tracker URL.',
  })
}
