/** The page for people at `/`, made here, without script; and the files it needs. */
import { html } from './html.ts'
import { PAGE_STYLE } from './page-style.ts'
import type { RouteModule } from './services.ts'

/** An hour: a new version of the program may bring a new one. */
const STYLE_CACHE = 'public, max-age=3600'

export const pageRoutes: RouteModule = (app, { tracker, version }) => {
  app.get('/', (_request, reply) => {
    const { swarms, peers } = tracker.stats()
    const page = html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Shoal tracker</title><link rel="stylesheet" href="/style.css"></head>
<body><main><h1>Shoal tracker</h1><p>${swarms} swarms, ${peers} peers</p></main><footer>Shoal ${version}</footer></body>
</html>`
    return reply.type('text/html; charset=utf-8').send(page.toString())
  })
  app.get('/style.css', (_request, reply) =>
    reply.type('text/css; charset=utf-8').header('cache-control', STYLE_CACHE).send(PAGE_STYLE),
  )
}
