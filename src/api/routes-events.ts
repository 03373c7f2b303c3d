/** `GET /api/v1/events`: what happens, as it happens (server-sent events). */
import { addressOf } from './api-access.ts'
import { ApiProblem } from './api-problem.ts'
import { problems } from './contract.ts'
import { SECURITY_HEADERS } from './request-guard.ts'
import type { RouteModule } from './services.ts'

export const eventRoutes: RouteModule = (app, { events, tracker }) => {
  app.get(
    '/api/v1/events',
    {
      exposeHeadRoute: false,
      schema: {
        summary: 'live news as server-sent events',
        produces: ['text/event-stream'],
        response: problems(503),
      },
    },
    (request, reply) => {
      const headers = { ...SECURITY_HEADERS, ...plainHeaders(reply.getHeaders()) }
      if (!events.take(reply.raw, headers, addressOf(tracker, request)))
        throw new ApiProblem(503, 'api/too-many-streams', 'too many listen already; ask again later')
      reply.hijack()
    },
  )
}

function plainHeaders(headers: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}
