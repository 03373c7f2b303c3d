/** A library as the API tells it. */
import { toHex } from '../base/bytes.ts'
import type { CatalogEntry } from '../catalog/catalog.ts'
import type { FoundRow } from '../catalog/catalog-search.ts'
import { formatMagnet } from '../wire/magnet.ts'
import type { CatalogService } from './catalog-service.ts'
import type { Library, LibraryDetails } from './contract-catalog.ts'

export function libraryRow({ entry, source, isFollowed, seeders, leechers }: FoundRow): Library {
  const { record, publisher } = source
  return {
    number: entry.number,
    infoHash: record.infoHashV1 && toHex(record.infoHashV1),
    infoHashV2: record.infoHashV2 && toHex(record.infoHashV2),
    name: record.name,
    description: record.description,
    tags: [...record.tags],
    publisher,
    publishers: entry.sources.length,
    isFollowed,
    size: record.size,
    files: record.fileCount,
    pieces: record.pieceCount,
    pieceLength: record.pieceLength,
    isPrivate: record.isPrivate,
    publishedAt: entry.publishedAt,
    seeders,
    leechers,
    previews: record.previews.map(toHex),
    placeholder: record.placeholder && Buffer.from(record.placeholder).toString('base64'),
  }
}

/** @param origin under which the asker knows this tracker */
export function libraryDetails(entry: CatalogEntry, service: CatalogService, origin: string): LibraryDetails {
  const source = service.catalog.recordOf(entry)
  const { record, signed } = source
  const row = libraryRow({ entry, source, isFollowed: false, ...service.counts(record) })
  return {
    ...row,
    sample: [...record.sample],
    magnet: magnetOf(row, record, origin),
    hasTorrent: service.hasTorrent(entry),
    record: Buffer.from(signed.bytes).toString('base64'),
    signature: Buffer.from(signed.signature).toString('base64'),
  }
}

/** Any client opens it. @param base address of this tracker */
export function magnetOf(
  row: Pick<Library, 'name' | 'infoHash' | 'infoHashV2'>,
  hashes: { readonly infoHashV1: Uint8Array | null; readonly infoHashV2: Uint8Array | null },
  base: string,
): string {
  return formatMagnet({
    infoHashV1: hashes.infoHashV1,
    infoHashV2: hashes.infoHashV2,
    name: row.name,
    trackers: [`${base}/announce`],
    webSeeds: [],
    exactSources: [`${base}/api/v1/libraries/${row.infoHash ?? row.infoHashV2}`],
    peers: [],
    selectOnly: [],
  })
}

/** What the asker follows; where nobody is named, whom the tracker's owner follows. */
export function followsOf(
  follow: string | undefined,
  { follows }: Pick<CatalogService, 'follows'>,
): ReadonlySet<string> {
  return follow === undefined ? follows : new Set(follow.toLowerCase().split(','))
}
