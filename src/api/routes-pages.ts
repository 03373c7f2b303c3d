/** The pages for people: the catalog at `/`, one library at `/library/NUMBER`, made here, without script. */
import { Type } from 'typebox'
import { ApiProblem } from './api-problem.ts'
import { originOf } from './asker-origin.ts'
import { libraryDetails, libraryRow } from './catalog-view.ts'
import { exact } from './contract.ts'
import { LibraryQuery } from './contract-catalog.ts'
import { catalogPage, libraryPage } from './page-catalog.ts'
import { LOGO, page } from './page-frame.ts'
import { PAGE_STYLE } from './page-style.ts'
import type { RouteModule } from './services.ts'

const HTML = 'text/html; charset=utf-8'
/** An hour: a new version of the program may bring a new one. */
const STYLE_CACHE = 'public, max-age=3600'
const CARDS_PER_PAGE = 24

export const pageRoutes: RouteModule = (app, services) => {
  const { catalog } = services
  app.get('/', { schema: { hide: true, querystring: LibraryQuery } }, async ({ query }, reply) => {
    const { q, sort, all, tag, page: wanted } = query
    const found = await catalog.search({
      ...{ text: q, tag: tag || undefined, sort, all, page: wanted },
      ...{ limit: CARDS_PER_PAGE, follows: catalog.follows },
    })
    const list = {
      ...{ total: found.total, page: wanted, count: found.rows.length },
      pages: Math.max(1, Math.ceil(found.total / CARDS_PER_PAGE)),
      libraries: found.rows.map(libraryRow),
    }
    const main = catalogPage(list, { q, sort, all, tag: tag || undefined })
    return reply.type(HTML).send(page({ title: 'Shoal: libraries', main }, services))
  })
  app.get(
    '/library/:number',
    { schema: { hide: true, params: exact({ number: Type.String({ pattern: '^\\d{1,15}$' }) }) } },
    (request, reply) => {
      const entry = catalog.catalog.find(request.params.number)
      if (entry === undefined)
        throw new ApiProblem(404, 'api/no-such-library', 'there is no such library here')
      const details = libraryDetails(entry, catalog, originOf(services, request))
      return reply.type(HTML).send(page({ title: details.name, main: libraryPage(details) }, services))
    },
  )
  app.get('/style.css', { schema: { hide: true } }, (_request, reply) =>
    reply.type('text/css; charset=utf-8').header('cache-control', STYLE_CACHE).send(PAGE_STYLE),
  )
  app.get('/icon.svg', { schema: { hide: true } }, (_request, reply) =>
    reply.type('image/svg+xml').header('cache-control', STYLE_CACHE).send(icon()),
  )
}

function icon(): string {
  return LOGO.toString().replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ')
}
