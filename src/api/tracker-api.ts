/**
 * The tracker's HTTP API: a Fastify app that has no socket of its own. `src/nodejs/tracker-server.ts` hands
 * it every request that is no announce and no scrape.
 * Invariants: each request passes the guard first; each failure is answered with a problem document.
 */
import type http from 'node:http'
import swagger from '@fastify/swagger'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyReply } from 'fastify'
import { LIMITS } from '../base/limits.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { checkAccess } from './api-access.ts'
import { ApiProblem, problemOf } from './api-problem.ts'
import { type GuardOptions, PREFLIGHT_HEADERS, RequestGuard, SECURITY_HEADERS } from './request-guard.ts'
import { compileValidator } from './schema-validator.ts'
import type { ApiApp, ApiServices } from './services.ts'
import { TRACKER_ROUTES } from './tracker-routes.ts'
import { Uploads } from './uploads.ts'

export interface TrackerApiOptions extends GuardOptions {
  /** Told of what is not the request's fault. */
  readonly onFailure?: (error: unknown) => void
}

export interface TrackerApi {
  handle(request: http.IncomingMessage, response: http.ServerResponse): void
  close(): Promise<void>
}

export async function openTrackerApi(services: ApiServices, options: TrackerApiOptions): Promise<TrackerApi> {
  const fail = (error: unknown, reply: FastifyReply) => sendProblem(reply, error, options.onFailure)
  const app: ApiApp = Fastify({
    bodyLimit: LIMITS.apiBodyBytesMax.value,
    routerOptions: { maxParamLength: LIMITS.apiParameterMax.value },
    frameworkErrors: (error, _request, reply) => void fail(error, reply as FastifyReply),
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(compileValidator)
  app.setErrorHandler((error, _request, reply) => fail(error, reply))
  guard(app, new RequestGuard(options))
  const uploads = new Uploads()
  app.addHook('onRequest', async (request, reply) => {
    checkAccess(services, request)
    uploads.begin(request, reply)
  })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Shoal tracker', version: services.version },
    },
  })
  const methods = notFound(app)
  app.register(async (inner) => {
    for (const routes of TRACKER_ROUTES) routes(inner as unknown as ApiApp, services)
  })
  await app.ready()
  methods.freeze()
  return {
    handle: (request, response) => app.routing(request, response),
    close: async () => {
      services.events.close()
      await app.close()
    },
  }
}

function guard(app: ApiApp, requestGuard: RequestGuard): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS)
    reply.headers(requestGuard.check(request))
  })
}

/**
 * What leads nowhere: 404, or 405 where another method would do, or the answer to a browser that asks first.
 */
function notFound(app: ApiApp): { freeze(): void } {
  const known: { readonly pattern: RegExp; readonly method: string }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = new RegExp(`^${url.replace(/[.]/g, '\\.').replace(/:\w+/g, '[^/]+')}/?$`)
    for (const name of [method].flat()) known.push({ pattern, method: name })
  })
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]!
    const allowed = known.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)
    if (allowed.length === 0) throw new ApiProblem(404, 'api/not-found', 'there is no such page')
    reply.header('allow', [...new Set(allowed)].join(', '))
    if (request.method === 'OPTIONS') {
      const isNamed = reply.getHeader('access-control-allow-origin') !== undefined
      return reply
        .headers(isNamed ? PREFLIGHT_HEADERS : {})
        .code(204)
        .send()
    }
    throw new ApiProblem(405, 'api/method-not-allowed', `${request.method} does nothing here`)
  })
  return { freeze: () => Object.freeze(known) }
}

function sendProblem(
  reply: FastifyReply,
  error: unknown,
  onFailure?: (error: unknown) => void,
): FastifyReply {
  const problem = problemOf(error)
  // A store that is away, or of no use, was told by itself, once.
  const isTold = problem.status === 503 || (error instanceof ShoalError && error.code === 'store/failed')
  if (problem.status >= 500 && !isTold && !(error instanceof ApiProblem)) onFailure?.(error)
  if (error instanceof ApiProblem && error.retryAfterSeconds !== undefined)
    reply.header('retry-after', error.retryAfterSeconds)
  return reply
    .code(problem.status)
    .headers(SECURITY_HEADERS)
    .type('application/problem+json; charset=utf-8')
    .serializer((document: unknown) => JSON.stringify(document))
    .send(problem)
}
