/**
 * What the user names beside files and links: a library of the tracker's catalog, by number, infohash or
 * name. What the catalog says is only believed as far as the publisher signed it, and the `.torrent` it
 * hands out only when it has the infohash of the record.
 */
import { statSync } from 'node:fs'
import { toHex } from '../base/bytes.ts'
import { fold } from '../catalog/catalog-search.ts'
import {
  CatalogClient,
  catalogBase,
  type FoundLibrary,
  isRecordOf,
  type LibraryRow,
  passkeyOf,
} from '../nodejs/catalog-client.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { Magnet } from '../wire/magnet.ts'
import { type Metainfo, parseMetainfo } from '../wire/metainfo.ts'
import type { CommandContext } from './command-context.ts'
import { LOCAL_TRACKER, type Settings } from './settings.ts'
import { fetchTorrent, readSource } from './torrent-source.ts'

type Asking = Pick<CommandContext, 'settings' | 'output' | 'signal'>

const HASH = /^([0-9a-f]{40}|[0-9a-f]{64})$/i
const NUMBER = /^\d{1,15}$/

/** The catalog of the tracker that was named first, else of this machine's. */
export function openCatalog(settings: Pick<Settings, 'tracker' | 'trackerTimeout'>): CatalogClient {
  const [url = LOCAL_TRACKER] = settings.tracker
  const base = catalogBase(url)
  if (base === undefined)
    throw new ShoalError(
      'usage/no-catalog',
      `${url} has no catalog: only trackers over HTTP have one`,
      'Name one with --tracker http://HOST:PORT.',
    )
  return new CatalogClient(base, settings.trackerTimeout, passkeyOf(url))
}

/**
 * A `.torrent` file here or on the web, a magnet link, or a library of the catalog. Throws as `readSource`
 * and `fetchTorrent`, and `catalog/…`.
 */
export async function resolveSource(source: string, context: Asking): Promise<Metainfo | Magnet> {
  if (isFileOrLink(source)) return readOrFetch(source, context)
  return libraryNamed(source, context).then(({ catalog, library }) => torrentOf(catalog, library, context))
}

/**
 * 40 hex digits of what the user names, whether anybody is in its swarm or not. Throws as `resolveSource`.
 */
export async function resolveInfoHash(source: string, context: Asking): Promise<string> {
  if (HASH.test(source)) return source.slice(0, 40).toLowerCase()
  const { infoHashV1, infoHashV2 } = isFileOrLink(source)
    ? await readOrFetch(source, context)
    : (await libraryNamed(source, context)).library.record
  return toHex((infoHashV1 ?? infoHashV2)!.subarray(0, 20))
}

async function readOrFetch(source: string, context: Asking): Promise<Metainfo | Magnet> {
  return /^https?:/i.test(source) ? fetchTorrent(source, context) : readSource(source, context.output)
}

/**
 * Throws `catalog/no-such-library`, `catalog/ambiguous`, and what the file of that name would have thrown.
 */
async function libraryNamed(
  source: string,
  context: Asking,
): Promise<{ catalog: CatalogClient; library: FoundLibrary }> {
  const catalog = openCatalog(context.settings)
  const isId = NUMBER.test(source) || HASH.test(source)
  try {
    const id = isId ? source : await numberOf(source, catalog, context.settings.follow)
    const library = id === undefined ? undefined : await catalog.find(id)
    if (library) return { catalog, library }
  } catch (error) {
    // Without a catalog, a word can only have meant a file.
    if (!isId && error instanceof ShoalError && error.code === 'catalog/unreachable')
      readSource(source, context.output)
    throw error
  }
  throw new ShoalError(
    'catalog/no-such-library',
    `there is no library ${source} at ${catalog.base}, and no such file here`,
    '`shoal ls --all` lists what there is.',
  )
}

/** A folder of that name may be the library itself, half fetched. */
function isFileOrLink(source: string): boolean {
  if (/^[a-z][a-z0-9+.-]*:/i.test(source) || /[/\\]|\.torrent$/i.test(source)) return true
  const stat = statSync(source, { throwIfNoEntry: false })
  return stat !== undefined && !stat.isDirectory()
}

/** Of the only library that has this name, or the only one that is alive, or of a followed publisher. */
async function numberOf(
  name: string,
  catalog: CatalogClient,
  follow: readonly string[],
): Promise<string | undefined> {
  const { rows } = await catalog.list({ q: name, all: true, limit: 500, follow: follow.join(',') })
  const same = rows.filter((row) => fold(row.name) === fold(name))
  const choices: ((row: LibraryRow) => boolean)[] = [
    () => true,
    (row) => row.isFollowed,
    (row) => row.seeders > 0,
  ]
  for (const isChosen of choices) {
    const chosen = same.filter(isChosen)
    if (chosen.length === 1) return String(chosen[0]!.number)
  }
  if (same.length === 0) return undefined
  throw new ShoalError(
    'catalog/ambiguous',
    `there are ${same.length} libraries called ${name}: ${same.map((row) => row.number).join(', ')}`,
    'Name the number; names may repeat.',
  )
}

/** The whole torrent where the catalog keeps it; else what a magnet link would say. */
export async function torrentOf(
  catalog: CatalogClient,
  { number, record, hasTorrent }: FoundLibrary,
  { output }: Asking,
): Promise<Metainfo | Magnet> {
  const announce = `${catalog.base}/announce`
  const bytes = hasTorrent ? await catalog.torrent(number) : undefined
  if (bytes) {
    const parsed = parseMetainfo(bytes, nodeCrypto)
    if (parsed.ok && isRecordOf(record, parsed.value)) {
      const others = parsed.value.trackers.map((tier) => tier.filter((url) => url !== announce))
      return { ...parsed.value, trackers: [[announce], ...others.filter(({ length }) => length > 0)] }
    }
    output.warning({
      code: 'catalog/wrong-torrent',
      message: `${catalog.base} has another .torrent than the publisher signed; peers are asked for it`,
    })
  }
  const { infoHashV1, infoHashV2, name } = record
  return {
    ...{ infoHashV1, infoHashV2, name, trackers: [announce] },
    ...{ webSeeds: [], exactSources: [], peers: [], selectOnly: [] },
  }
}
