/**
 * `shoal share`: makes a torrent of every path, seeds them where they are, publishes them in the catalogs of
 * their trackers, and prints a share link for each.
 * The `.torrent` is kept beside the content in `.shoal/`, for those who need the file. A path that cannot be
 * shared is reported and the others go on; only when none is left does the command fail.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { catalogBase, withoutPasskey } from '../nodejs/catalog-client.ts'
import { createMetainfo } from '../nodejs/metainfo-creation.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { STATE_FOLDER } from '../nodejs/transfer-state.ts'
import { writeWhole } from '../nodejs/whole-file.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { CommandContext } from './command-context.ts'
import { tellExclusion } from './exclusion.ts'
import { HashingProgress } from './hashing-progress.ts'
import { asShoalError, type Output } from './output.ts'
import { trackerTiers } from './peer-options.ts'
import { runPeer, type TorrentPlan } from './peer-run.ts'
import { Publication } from './publication.ts'
import { shareLink } from './share-link.ts'
import { MENU_TEXT, ShareMenu } from './share-menu.ts'
import { type ShareTrackers, trackersToShare } from './share-trackers.ts'
import { readVersion } from './version.ts'

interface SharedTorrent extends TorrentPlan {
  /** As others get it; ours may have the tracker of this machine besides. */
  readonly published: Metainfo
  /** The `.torrent`, null where it could not be kept. */
  readonly file: string | null
}

/** So long the link waits for the catalogs, to name them. */
const LINK_WAIT_MS = 3000

interface ShareOptions {
  readonly name?: string
  readonly private?: boolean
  readonly comment?: string
  readonly webSeed?: readonly string[]
  readonly exclude?: readonly string[]
  readonly description?: string
  readonly tag?: readonly string[]
  readonly publish?: boolean
}

export async function run(context: CommandContext): Promise<number> {
  const { args, output, signal } = context
  if (args.length > 1 && context.options.name !== undefined)
    throw new ShoalError(
      'usage/contradiction',
      '--name is for one path',
      'Share the paths one by one, or leave --name out.',
    )
  requireShort(context.options as ShareOptions)
  const trackers = await trackersToShare(context.settings)
  const shared: SharedTorrent[] = []
  let failure: ShoalError | undefined
  for (const path of args) {
    try {
      shared.push(await share(context, path, trackers))
    } catch (error) {
      if (signal.aborted) return 0
      failure = asShoalError(error)
      if (args.length > 1)
        output.event({ event: 'refused', path, code: failure.code, message: failure.message })
    }
  }
  if (shared.length === 0) throw failure!
  warnIfUnnamed(context, trackers)
  await runPeer(context, {
    torrents: shared,
    endsWhenComplete: false,
    menu: (node) => {
      const menu = new ShareMenu(context, node, shared[0]!.dir)
      return { words: menu.words, others: (line) => menu.choose(line) }
    },
    onStarted: ({ endpoint }) => {
      void publish(context, shared).then((catalogs) => {
        const named = catalogs.filter((base) => !trackers.own.some((url) => catalogBase(url) === base))
        for (const { published: metainfo, file } of shared) {
          const records = named.map((base) => `${base}/api/v1/libraries/${toHex(idOf(metainfo))}`)
          const link = shareLink(metainfo, trackerTiers(context.settings, metainfo), endpoint, records)
          output.text(file === null ? 'send this link:' : `send this file, or the link: ${file}`)
          output.event({ event: 'share-link', name: metainfo.name, link, file })
        }
        if (catalogs.length > 0) output.text(MENU_TEXT)
      })
    },
  })
  return 0
}

/** A torrent that others get without a tracker is found by the address of this peer, if at all. */
function warnIfUnnamed({ options, settings, output }: CommandContext, { named }: ShareTrackers): void {
  if (!settings.useTracker || named.length > 0) return
  if ((options as ShareOptions).private)
    output.warning({
      code: 'create/private-without-tracker',
      message: 'a private torrent without a tracker that others can reach: nobody will find its peers',
      hint: 'Give --tracker URL, or leave --private out.',
    })
  else
    output.warning({
      code: 'share/no-tracker',
      message: 'no tracker that others can reach: the link holds the address of this peer only',
      hint: 'Give --tracker URL, or run `shoal tracker` on this machine before you share.',
    })
}

/** What a catalog would refuse is refused before anything is hashed. */
function requireShort({ description = '', tag = [] }: ShareOptions): void {
  const { catalogDescriptionMax, catalogTagsMax, catalogTagMax } = LIMITS
  if (description.length > catalogDescriptionMax.value)
    throw new ShoalError(
      'usage/bad-option',
      `--description has more than ${catalogDescriptionMax.value} characters`,
      'Shorten it.',
    )
  if (tag.length > catalogTagsMax.value || tag.some((word) => word.length > catalogTagMax.value))
    throw new ShoalError(
      'usage/bad-option',
      `--tag may be given ${catalogTagsMax.value} times, with ${catalogTagMax.value} characters each`,
      'Leave some out, or shorten them.',
    )
}

/** Resolves with the catalogs that have it, as far as they answer soon. Never rejects. */
async function publish(
  { options, settings, output, signal }: CommandContext,
  libraries: readonly SharedTorrent[],
): Promise<readonly string[]> {
  const { description = '', tag = [], publish = true } = options as ShareOptions
  // One catalog, whatever it is called: the first name is the one that others know.
  const trackers = libraries.flatMap(({ metainfo, published }) => {
    const named = trackerTiers(settings, published).flat()
    return named.length > 0 ? named : trackerTiers(settings, metainfo).flat()
  })
  if (!publish || trackers.length === 0) return []
  const timeoutMs = settings.trackerTimeout
  const publication = new Publication({
    ...{ libraries, description, tags: tag, trackers, timeoutMs, output, signal },
  })
  const soon = new Promise((resolve) => setTimeout(resolve, LINK_WAIT_MS).unref())
  await Promise.race([publication.start(), soon])
  return publication.published
}

function idOf({ infoHashV1, infoHashV2 }: Metainfo): Uint8Array {
  return (infoHashV1 ?? infoHashV2)!
}

async function share(
  { options, settings, output, signal }: CommandContext,
  path: string,
  { named, own }: ShareTrackers,
): Promise<SharedTorrent> {
  const { name, private: isPrivate, comment, webSeed, exclude } = options as ShareOptions
  const progress = new HashingProgress(output, path)
  const created = await createMetainfo({
    paths: [path],
    name,
    trackers: named.map(withoutPasskey),
    format: settings.format,
    pieceLength: settings.pieceLength === 'auto' ? undefined : settings.pieceLength,
    align: settings.align,
    private: isPrivate,
    comment,
    webSeeds: webSeed,
    excludes: exclude,
    onFound: (content) => tellExclusion(exclude, [path], content, output),
    createdBy: `Shoal ${readVersion().version}`,
    signal,
    usesOwnThread: true,
    onProgress: (bytes, total) => progress.show(bytes, total),
  }).finally(() => progress.end())
  for (const { file, reason } of created.skipped)
    output.event({ event: 'skipped', file, reason }, `skipped ${file} (${reason})`)
  for (const warning of created.warnings) output.warning(warning)
  const { metainfo: published, contentFolder: dir } = created
  if (dir === undefined)
    throw new ShoalError(
      'usage/bad-option',
      '--name must be the name of the path to seed it where it is',
      'Rename it, or leave --name out.',
    )
  const file = keepTorrent(join(dir, STATE_FOLDER), created.name, created.bytes, output)
  output.event({
    event: 'created',
    file,
    name: created.name,
    infoHash: hexOrNull(created.infoHashV1),
    infoHashV2: hexOrNull(created.infoHashV2),
    pieceLength: created.pieceLength,
    pieces: created.pieceCount,
    files: created.fileCount,
    bytes: created.contentLength,
    magnet: shareLink(published),
  })
  const metainfo = own.length === 0 ? published : { ...published, trackers: [...published.trackers, own] }
  return { metainfo, published, dir, role: 'seed', file }
}

/** The path of the `.torrent`, or null where it could not be written; sharing goes on without it. */
function keepTorrent(folder: string, name: string, bytes: Uint8Array, output: Output): string | null {
  const path = join(folder, `${name}.torrent`)
  try {
    mkdirSync(folder, { recursive: true })
    writeWhole(path, bytes)
    return path
  } catch (error) {
    const { code, message } = asShoalError(error)
    output.warning({
      code,
      message: `the .torrent is not kept: ${message}`,
      hint: 'Write one elsewhere with `shoal create`.',
    })
    return null
  }
}

function hexOrNull(hash: Uint8Array | null): string | null {
  return hash && toHex(hash)
}
