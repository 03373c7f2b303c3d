/**
 * Large bodies that are on their way, whatever the route: beyond a number, others must wait, so
 * that what many send at once, or slowly, takes no more memory than that. Bodies that every route
 * takes are not counted, so whoever sends slowly on purpose keeps nobody from publishing a few
 * libraries. Bounded by apiUploadsMax.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LIMITS } from '../base/limits.ts'
import { ApiProblem } from './api-problem.ts'

export class Uploads {
  #count = 0

  /** Before a body is read. Throws ApiProblem 503. */
  begin(request: FastifyRequest, reply: FastifyReply): void {
    const usual = LIMITS.apiBodyBytesMax.value
    if ((request.routeOptions.bodyLimit ?? 0) <= usual) return
    // Without a length it may be of any.
    if (Number(request.headers['content-length'] ?? Number.NaN) <= usual) return
    if (this.#count >= LIMITS.apiUploadsMax.value)
      throw new ApiProblem(503, 'api/busy', 'too many are sending right now; try again soon')
    this.#count++
    reply.raw.once('close', () => this.#count--)
  }
}
