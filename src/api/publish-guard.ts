/**
 * Before and after whatever puts something into this tracker: one address may put in so much an hour
 * (`tracker/publish-limits.ts`), and is told when it may go on. Whose request it is, is seen as for
 * announces: proxies that were named speak for others.
 */
import type { FastifyRequest } from 'fastify'
import { nodeClock } from '../nodejs/node-clock.ts'
import { ApiProblem } from './api-problem.ts'
import type { ApiServices } from './services.ts'

export class PublishGuard {
  readonly #services: Pick<ApiServices, 'tracker' | 'publishing'>

  constructor(services: Pick<ApiServices, 'tracker' | 'publishing'>) {
    this.#services = services
  }

  /** As an `onRequest` hook, so that nobody sends a body for nothing. Throws ApiProblem 429. */
  readonly check = async (request: FastifyRequest): Promise<void> => {
    const wait = this.#services.publishing.waitSeconds(nodeClock.now(), this.#addressOf(request))
    if (wait === 0) return
    throw new ApiProblem(429, 'tracker/too-much-published', 'too much was published from your address', {
      hint: `Try again in ${wait} seconds, or ask the operator for a larger --publish-limit.`,
      retryAfterSeconds: wait,
    })
  }

  /**
   * Counts what came, good or not: looking at it was the work. Checks again, since others of that address may
   * have been faster. Throws ApiProblem 429.
   */
  async charge(request: FastifyRequest, things: number, bytes = 0): Promise<void> {
    await this.check(request)
    this.#services.publishing.charge(nodeClock.now(), this.#addressOf(request), things, bytes)
  }

  #addressOf(request: FastifyRequest): Uint8Array {
    const address = this.#services.tracker.askerOf(request.raw)
    if (address === undefined) throw new ApiProblem(400, 'api/bad-request', 'the connection has gone')
    return address
  }
}
