/** `shoal get`: downloads what is missing, then keeps seeding, and at the end says who gave what. */
import { compileGlobs } from '../nodejs/file-glob.ts'
import type { MagnetAddOptions } from '../nodejs/magnet-task.ts'
import { withOwnLayers } from '../nodejs/own-layers.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { lacksPieceLayers } from '../swarm/layer-fetch.ts'
import { metainfoOfMagnet } from '../swarm/magnet-torrent.ts'
import type { Magnet } from '../wire/magnet.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { resolveSource } from './catalog-source.ts'
import type { CommandContext } from './command-context.ts'
import { Download, type Select } from './download.ts'
import { trackerTiers } from './peer-options.ts'
import { type MagnetPlan, runPeer, type TorrentPlan } from './peer-run.ts'

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
  const read = await resolveSource(context.args[0]!, context)
  const source = 'files' in read ? await withOwnLayers(read, dir, context.signal) : read
  const download = new Download(output)
  const role = seedOnly ? 'seed' : 'download'
  const selects = select && compileGlobs(select)
  const magnet = magnetOf(source, role)
  const plan = (metainfo: Metainfo): TorrentPlan => {
    const wanted = download.begin(metainfo, selects ?? selectOnly(source, metainfo))
    return { metainfo, dir, role, ...wanted }
  }
  const torrent: TorrentPlan | MagnetPlan =
    'files' in source && magnet === undefined ? plan(source) : { magnet: magnet!, dir, plan }
  if ('magnet' in torrent) {
    const what = 'files' in source ? 'piece hashes' : 'metadata'
    output.text(`${torrent.magnet.metainfo.name}: asking peers for the ${what}`)
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

/** What peers must be asked for first: undefined when everything is in the file. */
function magnetOf(source: Magnet | Metainfo, role: TorrentPlan['role']): MagnetAddOptions | undefined {
  if (!('files' in source)) {
    const { peers, exactSources } = source
    return { metainfo: metainfoOfMagnet(source), peers, exactSources }
  }
  return role === 'download' && lacksPieceLayers(source) ? { metainfo: source, peers: [] } : undefined
}

/** The files that the link wants (`so`, BEP 53); undefined for all. */
function selectOnly(source: Magnet | Metainfo, { files }: Metainfo): Select | undefined {
  const selectOnly = 'files' in source ? [] : source.selectOnly
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
  if (settings.webSeeds && metainfo.webSeeds.length > 0 && metainfo.pieceCount > 0) return
  const until = exit ? '; --exit waits for them' : ''
  output.warning({
    code: 'get/nowhere-to-look',
    message: `nobody to ask: no tracker and no --peer; peers must find this program by themselves${until}`,
    hint: 'Give --peer HOST:PORT or --tracker URL.',
  })
}
