/** Schemas of the catalog: `/api/v1/libraries`. Bytes travel as base64, hashes and keys as hex. */
import { type Static, Type } from 'typebox'
import { LIMITS } from '../base/limits.ts'
import { SORTS } from '../catalog/catalog-search.ts'
import { exact, PageQuery, preset } from './contract.ts'

const base64Length = (bytes: number) => Math.ceil(bytes / 3) * 4
const Base64 = (bytesMax: number) =>
  Type.String({ maxLength: base64Length(bytesMax), pattern: '^[A-Za-z0-9+/]*={0,2}$' })
const KeyHex = Type.String({ pattern: '^[0-9a-fA-F]{64}$' })
const NullableString = Type.Union([Type.String(), Type.Null()])

/** One row of the catalog. Nothing here says who is in the swarm (L14). */
export const Library = Type.Object({
  number: Type.Integer(),
  /** 40 hex digits. */
  infoHash: NullableString,
  /** 64 hex digits. */
  infoHashV2: NullableString,
  name: Type.String(),
  description: Type.String(),
  tags: Type.Array(Type.String()),
  /** Public key, 64 hex digits. */
  publisher: Type.String(),
  /** How many publishers offer the same library. */
  publishers: Type.Integer(),
  isFollowed: Type.Boolean(),
  size: Type.Integer(),
  files: Type.Integer(),
  pieces: Type.Integer(),
  pieceLength: Type.Integer(),
  isPrivate: Type.Boolean(),
  publishedAt: Type.Integer(),
  seeders: Type.Integer(),
  leechers: Type.Integer(),
  /** SHA-256 of each small picture, which is at `/api/v1/previews/HASH`. */
  previews: Type.Array(Type.String()),
  /** A ThumbHash. */
  placeholder: NullableString,
})
export type Library = Static<typeof Library>

export const SignedRecordText = Type.Object({
  record: Base64(LIMITS.catalogRecordBytesMax.value),
  signature: Base64(64),
})

export const LibraryDetails = Type.Object({
  ...Library.properties,
  /** The first files, for people. */
  sample: Type.Array(Type.Object({ path: Type.String(), length: Type.Integer() })),
  magnet: Type.String(),
  /** Whether `/api/v1/libraries/ID/torrent` has the file. */
  hasTorrent: Type.Boolean(),
  /** What was signed, and the signature: the rest can be checked against it. */
  ...SignedRecordText.properties,
})
export type LibraryDetails = Static<typeof LibraryDetails>

export const LibraryQuery = exact({
  q: preset(Type.String({ maxLength: 200, default: '' })),
  tag: Type.Optional(Type.String({ maxLength: LIMITS.catalogTagMax.value })),
  publisher: Type.Optional(KeyHex),
  /** Keys of publishers that come first, with commas between. */
  follow: Type.Optional(Type.String({ maxLength: 2000, pattern: '^[0-9a-fA-F]{64}(,[0-9a-fA-F]{64})*$' })),
  sort: preset(Type.Enum([...SORTS], { default: 'newest' })),
  all: preset(Type.Boolean({ default: false })),
  ...PageQuery,
})

export const LibraryList = Type.Object({
  /** Of all pages. */
  total: Type.Integer(),
  page: Type.Integer(),
  pages: Type.Integer(),
  /** How many rows follow. */
  count: Type.Integer(),
  libraries: Type.Array(Library),
})
export type LibraryList = Static<typeof LibraryList>

export const Publication = exact({
  /** How many libraries follow; a request in which they differ is refused as a whole (L22). */
  count: Type.Integer({ minimum: 1, maximum: LIMITS.catalogBatchMax.value }),
  libraries: Type.Array(
    exact({
      ...SignedRecordText.properties,
      previews: Type.Optional(
        Type.Array(Base64(LIMITS.catalogPreviewBytesMax.value), {
          maxItems: LIMITS.catalogPreviewsMax.value,
        }),
      ),
    }),
    { minItems: 1, maxItems: LIMITS.catalogBatchMax.value },
  ),
})
export type Publication = Static<typeof Publication>

/** One for each library of the request, in its order (L23). */
export const PublicationResult = Type.Object({
  ok: Type.Boolean(),
  number: Type.Optional(Type.Integer()),
  infoHash: Type.Optional(Type.String()),
  isNew: Type.Optional(Type.Boolean()),
  /** The `.torrent` is wanted: `PUT /api/v1/libraries/NUMBER/torrent`. */
  wantsTorrent: Type.Optional(Type.Boolean()),
  code: Type.Optional(Type.String()),
  message: Type.Optional(Type.String()),
})
export type PublicationResult = Static<typeof PublicationResult>

export const PublicationAnswer = Type.Object({
  registered: Type.Integer(),
  results: Type.Array(PublicationResult),
})
export type PublicationAnswer = Static<typeof PublicationAnswer>

/** A number, or an infohash in hex. */
export const LibraryId = exact({
  id: Type.String({ pattern: '^(\\d{1,15}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64})$' }),
})
export const PreviewId = exact({ hash: Type.String({ pattern: '^[0-9a-f]{64}$' }) })

/** Signed by the publisher over `shoal catalog withdrawal 1`, a zero byte, and the record it withdraws. */
export const Withdrawal = exact({ publisher: KeyHex, signature: Base64(64) })
export const WithdrawalAnswer = Type.Object({ removed: Type.Boolean() })
