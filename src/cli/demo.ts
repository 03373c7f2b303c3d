/**
 * `shoal demo`: the whole system in one process on loopback. Makes a picture library, starts a tracker, peers
 * that have the library and peers that have nothing, waits until all have everything, shows who delivered how
 * many pieces to whom, and compares the folders byte for byte.
 * Invariant: whatever happens, all is stopped and the temporary folder removed.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMetainfo } from '../nodejs/metainfo-creation.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { TrackerServer } from '../nodejs/tracker-server.ts'
import { PROFILES } from '../profiles.ts'
import type { CommandContext } from './command-context.ts'
import { makeDemoLibrary } from './demo-library.ts'
import { DemoPeer, type DemoSwarm, showDeliveries } from './demo-swarm.ts'
import type { Output } from './output.ts'
import { aborted } from './shutdown.ts'
import { trackerOptions } from './tracker-options.ts'
import { treeDigest } from './tree-digest.ts'
import { formatBytes, formatCount, formatDuration, formatRate } from './units.ts'

interface DemoOptions {
  readonly images?: number
  readonly keep?: boolean
}

const LIBRARY_NAME = 'Demo library'
/** Far beyond what it takes; a demo that does not end helps nobody. */
const DEADLINE_MS = 300_000

export async function run(context: CommandContext): Promise<number> {
  const { output } = context
  const { images = 500, keep = false } = context.options as DemoOptions
  const folder = await mkdtemp(join(tmpdir(), 'shoal-demo-'))
  try {
    return await runDemo(context, folder, images)
  } finally {
    if (keep) output.text(`kept ${folder}`)
    else await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function runDemo(context: CommandContext, folder: string, images: number): Promise<number> {
  const { output, settings, signal } = context
  const libraryDir = join(folder, LIBRARY_NAME)
  const library = await makeDemoLibrary({
    dir: libraryDir,
    images,
    seed: 1,
    signal,
    onProgress: (made, bytes) =>
      output.bar('library', { label: 'drawing', fraction: made / images, detail: formatBytes(bytes) }),
  })
  output.bar('library', undefined)
  if (signal.aborted) return stopped(output)
  output.event(
    { event: 'library', files: library.files, bytes: library.bytes },
    `library: ${formatCount(library.files, 'picture')}, ${formatBytes(library.bytes)}`,
  )
  const tracker = await TrackerServer.listen({
    ...trackerOptions(settings),
    host: '127.0.0.1',
    port: 0,
    udpPort: 'off',
  })
  const trackerUrl = `http://127.0.0.1:${tracker.endpoint.port}/announce`
  output.event({ event: 'listening', service: 'tracker', ...tracker.endpoint }, `tracker: ${trackerUrl}`)
  const peers: DemoPeer[] = []
  try {
    const { metainfo } = await createMetainfo({
      paths: [libraryDir],
      trackers: [trackerUrl],
      format: settings.format,
      pieceLength: settings.pieceLength === 'auto' ? undefined : settings.pieceLength,
      align: settings.align,
      signal,
    })
    const { pieceCount, pieceLength, format } = metainfo
    output.text(`torrent: ${formatCount(pieceCount, 'piece')} of ${pieceLength} B, format ${format}`)
    const startedAt = performance.now()
    await startPeers(context, { metainfo, folder }, peers)
    const downloaders = peers.filter((peer) => peer.role === 'download')
    const isDone = await Promise.race([
      Promise.all(downloaders.map((peer) => peer.done)).then(() => true),
      aborted(signal).then(() => false),
      deadline(),
    ])
    if (!isDone) return stopped(output)
    return await conclude(context, { metainfo, folder }, peers, (performance.now() - startedAt) / 1000)
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()))
    await tracker.close()
  }
}

/** Those that have the library first. Each is put into `peers` as soon as it runs. */
async function startPeers(context: CommandContext, swarm: DemoSwarm, peers: DemoPeer[]): Promise<void> {
  const { seeds, downloaders } = PROFILES[context.settings.profile].demo
  for (let i = 0; i < seeds + downloaders; i++)
    peers.push(await DemoPeer.start(context, swarm, `D${i + 1}`, i < seeds ? 'seed' : 'download'))
  context.output.text(`peers: ${formatCount(seeds, 'seed')}, ${formatCount(downloaders, 'downloader')}`, '')
  // The library must be there before it is asked for.
  await Promise.all(peers.slice(0, seeds).map((peer) => peer.join()))
  await Promise.all(peers.slice(seeds).map((peer) => peer.join()))
}

/** What was delivered, and whether it is the same everywhere. */
async function conclude(
  { output }: CommandContext,
  { metainfo, folder }: DemoSwarm,
  peers: readonly DemoPeer[],
  seconds: number,
): Promise<number> {
  for (const peer of peers) output.bar(peer.name, undefined)
  showDeliveries(output, peers)
  const downloaders = peers.filter((peer) => peer.role === 'download')
  const bytes = metainfo.contentLength * downloaders.length
  output.text(
    '',
    `${formatBytes(bytes)} delivered in ${formatDuration(seconds)}, ${formatRate(bytes / seconds)}`,
  )
  const original = await treeDigest(join(folder, LIBRARY_NAME))
  const digests = await Promise.all(downloaders.map((peer) => treeDigest(join(peer.dir, metainfo.name))))
  const isEqual = digests.every((digest) => digest === original)
  const complete = peers.filter((peer) => peer.isComplete).length
  const verdict = `${complete}/${peers.length} peers complete, ${isEqual ? 'hashes equal' : 'hashes differ'}`
  const result = { peers: peers.length, complete, isEqual, bytes, seconds, pieces: metainfo.pieceCount }
  output.event({ event: 'demo', ...result, infoHash: downloaders[0]?.infoHash }, verdict)
  return isEqual && complete === peers.length ? 0 : 1
}

/** Without a verdict the demo has failed. */
function stopped(output: Output): number {
  output.event({ event: 'stopped' }, 'stopped before the end')
  return 1
}

function deadline(): Promise<never> {
  return new Promise((_, reject) => {
    const error = new ShoalError(
      'demo/timeout',
      'the demo has not finished in five minutes',
      'Try --images 50, or report this.',
    )
    setTimeout(() => reject(error), DEADLINE_MS).unref()
  })
}
