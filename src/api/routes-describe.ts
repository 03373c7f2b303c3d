/** What there is: `GET /api` for people and programs, `GET /api/openapi.json` for generators. */
import { ApiDescription } from './contract.ts'
import type { RouteModule } from './services.ts'

export const describeRoutes: RouteModule = (app, { version }) => {
  const routes: ApiDescription['routes'] = []
  app.addHook('onRoute', ({ method, url, schema }) => {
    const summary = schema?.summary
    if (summary === undefined) return
    for (const name of [method].flat()) if (name !== 'HEAD') routes.push({ method: name, path: url, summary })
  })
  app.get(
    '/api',
    { schema: { summary: 'what this tracker can be asked', response: { 200: ApiDescription } } },
    () => ({ name: 'shoal tracker' as const, version, openapi: '/api/openapi.json', routes }),
  )
  app.get('/api/openapi.json', { schema: { summary: 'this API as OpenAPI 3.1' } }, () => app.swagger())
}
