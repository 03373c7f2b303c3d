/** `/api/v1/libraries`: what was published, found by words, number or infohash; and publishing itself. */
import { LIMITS } from '../base/limits.ts'
import type { CatalogEntry } from '../catalog/catalog.ts'
import { swarmHashes } from '../catalog/catalog.ts'
import { imageTypeOf } from '../wire/image-type.ts'
import { askerOf } from './api-access.ts'
import { ApiProblem } from './api-problem.ts'
import { originOf } from './asker-origin.ts'
import { followsOf, libraryDetails, libraryRow } from './catalog-view.ts'
import { problems } from './contract.ts'
import {
  LibraryDetails,
  LibraryId,
  LibraryList,
  LibraryQuery,
  PreviewId,
  Publication,
  PublicationAnswer,
  type PublicationResult,
  Withdrawal,
  WithdrawalAnswer,
} from './contract-catalog.ts'
import { PublishGuard } from './publish-guard.ts'
import type { ApiApp, ApiServices, RouteModule } from './services.ts'

const TORRENT_TYPE = 'application/x-bittorrent'
/** A picture is named by its hash, so what stands there never changes. */
const FOREVER = 'public, max-age=31536000, immutable'

export const catalogRoutes: RouteModule = (app, services) => {
  addReading(app, services)
  addFiles(app, services)
  const guard = new PublishGuard(services)
  addPublishing(app, services, guard)
  addTorrents(app, services, guard)
}

function addReading(app: ApiApp, services: ApiServices): void {
  const { catalog } = services
  app.get(
    '/api/v1/libraries',
    {
      schema: {
        summary: 'the catalog: search, sort, page',
        querystring: LibraryQuery,
        response: { 200: LibraryList, ...problems(400) },
      },
    },
    async ({ query: { q, follow, ...query } }) => {
      const { rows, total } = await catalog.search({ ...query, text: q, follows: followsOf(follow, catalog) })
      const pages = Math.max(1, Math.ceil(total / query.limit))
      return { total, page: query.page, pages, count: rows.length, libraries: rows.map(libraryRow) }
    },
  )
  app.get(
    '/api/v1/libraries/:id',
    {
      schema: {
        summary: 'one library, with what its publisher signed',
        params: LibraryId,
        response: { 200: LibraryDetails, ...problems(400, 404) },
      },
    },
    (request) =>
      libraryDetails(found(catalog.catalog.find(request.params.id)), catalog, originOf(services, request)),
  )
}

function addFiles(app: ApiApp, { catalog }: ApiServices): void {
  const entryOf = (id: string) => found(catalog.catalog.find(id))
  app.get(
    '/api/v1/libraries/:id/preview',
    {
      schema: { summary: 'its first small picture', params: LibraryId, response: problems(400, 404) },
    },
    async ({ params: { id } }, reply) => {
      const [hash] = catalog.catalog.recordOf(entryOf(id)).record.previews
      if (hash === undefined) throw noSuchFile()
      return reply.redirect(`/api/v1/previews/${Buffer.from(hash).toString('hex')}`)
    },
  )
  app.get(
    '/api/v1/previews/:hash',
    {
      schema: { summary: 'a small picture by its SHA-256', params: PreviewId, response: problems(400, 404) },
    },
    async ({ params: { hash } }, reply) => {
      const bytes = await catalog.preview(hash)
      const type = bytes && imageTypeOf(bytes)
      if (bytes === undefined || type === undefined) throw noSuchFile()
      reply.type(type).header('cache-control', FOREVER)
      return sendBytes(reply, bytes)
    },
  )
  app.get(
    '/api/v1/libraries/:id/torrent',
    { schema: { summary: 'its .torrent file', params: LibraryId, response: problems(400, 404) } },
    async ({ params: { id } }, reply) => {
      const bytes = await catalog.torrent(entryOf(id))
      if (bytes === undefined) throw noSuchFile()
      reply.type(TORRENT_TYPE)
      return sendBytes(reply, bytes)
    },
  )
}

function addPublishing(app: ApiApp, services: ApiServices, guard: PublishGuard): void {
  const { catalog, events, access, store } = services
  app.post(
    '/api/v1/libraries',
    {
      bodyLimit: LIMITS.catalogBodyBytesMax.value,
      onRequest: guard.check,
      schema: {
        summary: 'publish libraries, each signed by its publisher',
        body: Publication,
        response: { 200: PublicationAnswer, ...problems(400, 413, 429, 503) },
      },
    },
    async (request) => {
      const { count, libraries } = request.body
      const isByMember = askerOf(services, request) !== undefined
      refuseMiscount(count, libraries.length)
      const previews = libraries.flatMap(({ previews = [] }) => previews)
      await guard.charge(request, libraries.length, Math.floor(0.75 * sum(previews)))
      const publish = async (library: (typeof libraries)[number]): Promise<PublicationResult> => {
        const signed = { bytes: decodeBase64(library.record), signature: decodeBase64(library.signature) }
        const published = await catalog.publish(signed, (library.previews ?? []).map(decodeBase64))
        if (!published.ok) return { ok: false, code: published.error.code, message: published.error.message }
        const { entry, isNew, wantsTorrent } = published.value
        const { record } = catalog.catalog.recordOf(entry)
        // What anybody calls private is still anybody's; what a member does is for members.
        if (isByMember && record.isPrivate) for (const hash of swarmHashes(record)) access.protect(hash)
        const row = libraryRow({
          entry,
          source: catalog.catalog.recordOf(entry),
          isFollowed: false,
          seeders: 0,
          leechers: 0,
        })
        if (isNew) events.publish('library', { number: row.number, name: row.name, infoHash: row.infoHash })
        const infoHash = row.infoHash ?? row.infoHashV2 ?? ''
        return { ok: true, number: entry.number, infoHash, isNew, wantsTorrent }
      }
      const results: PublicationResult[] = []
      for (const library of libraries) results.push(await publish(library))
      // Who is told a number finds the library under it tomorrow, and nobody else's.
      await store.flush()
      return { registered: results.filter((result) => result.ok).length, results }
    },
  )
  app.post(
    '/api/v1/libraries/:id/withdraw',
    {
      onRequest: guard.check,
      schema: {
        summary: 'no longer offer a library, signed by its publisher',
        params: LibraryId,
        body: Withdrawal,
        response: { 200: WithdrawalAnswer, ...problems(400, 403, 429) },
      },
    },
    async (request) => {
      const { id } = request.params
      const { publisher, signature } = request.body
      await guard.charge(request, 1)
      const entry = catalog.catalog.find(id)
      if (entry === undefined) return { removed: false }
      const removed = await catalog.withdraw(entry, publisher.toLowerCase(), decodeBase64(signature))
      if (!removed.ok) throw new ApiProblem(403, 'catalog/bad-signature', removed.error.message)
      await store.flush()
      return { removed: removed.value }
    },
  )
}

function addTorrents(app: ApiApp, { catalog, store }: ApiServices, guard: PublishGuard): void {
  app.addContentTypeParser(
    TORRENT_TYPE,
    { parseAs: 'buffer', bodyLimit: LIMITS.catalogTorrentBytesMax.value },
    (_request, body, done) => done(null, body),
  )
  app.put(
    '/api/v1/libraries/:id/torrent',
    {
      bodyLimit: LIMITS.catalogTorrentBytesMax.value,
      onRequest: guard.check,
      schema: {
        summary: 'keep its .torrent file (application/x-bittorrent)',
        consumes: [TORRENT_TYPE],
        params: LibraryId,
        response: {
          200: PublicationAnswer.properties.results.items,
          ...problems(400, 404, 413, 422, 429, 507),
        },
      },
    },
    async (request) => {
      const { params, body } = request
      const { id } = params
      const entry = found(catalog.catalog.find(id))
      if (!(body instanceof Uint8Array))
        throw new ApiProblem(415, 'api/not-json', `send it as ${TORRENT_TYPE}`)
      await guard.charge(request, 1, body.length)
      const kept = catalog.keepTorrent(entry, body)
      if (kept.ok) {
        await store.flush()
        return { ok: true, number: entry.number }
      }
      const { code, message } = kept.error
      throw new ApiProblem(code === 'catalog/full' ? 507 : 422, code, message)
    },
  )
}

/** In base64, so three quarters of it in bytes. */
function sum(texts: readonly string[]): number {
  return texts.reduce((length, text) => length + text.length, 0)
}

/** A list that was cut on its way is refused as a whole. */
function refuseMiscount(count: number, found: number): void {
  if (count === found) return
  throw new ApiProblem(400, 'api/invalid-request', `count is ${count}, but ${found} follow`, {
    fields: [{ field: 'count', message: `must be ${found}` }],
  })
}

function found(entry: CatalogEntry | undefined): CatalogEntry {
  if (entry === undefined) throw new ApiProblem(404, 'api/no-such-library', 'there is no such library here')
  return entry
}

function noSuchFile(): ApiProblem {
  return new ApiProblem(404, 'api/not-found', 'this library has no such file here')
}

/** The schema of such a route knows its refusals only; bytes have none. */
function sendBytes(reply: { send(payload: never): unknown }, bytes: Uint8Array): never {
  return reply.send(Buffer.from(bytes) as never) as never
}

function decodeBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}
