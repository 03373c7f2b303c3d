/**
 * Before and after whatever puts something into this tracker: one address may put in so much an hour
 * (`tracker/source-rules.ts`), and is told when it may go on. Whose request it is, is seen as for
 * announces: proxies that were named speak for others.
 */
import type { FastifyRequest } from 'fastify'
import { MICROSECONDS_PER_SECOND } from '../base/time.ts'
import { nodeClock } from '../nodejs/node-clock.ts'
import { ApiProblem } from './api-problem.ts'
import type { ApiServices } from './services.ts'

/** Large things count as several. */
const UNIT_BYTES = 64 * 1024

export class PublishGuard {
  readonly #services: Pick<ApiServices, 'tracker' | 'publishing'>

  constructor(services: Pick<ApiServices, 'tracker' | 'publishing'>) {
    this.#services = services
  }

  /** As an `onRequest` hook, so that nobody sends a body for nothing. Throws ApiProblem 429. */
  readonly check = async (request: FastifyRequest): Promise<void> => {
    const now = nodeClock.now()
    const readyAt = this.#services.publishing.readyAt(now, this.#addressOf(request))
    const wait = Math.ceil((readyAt - now) / MICROSECONDS_PER_SECOND)
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
    const units = things + Math.floor(bytes / UNIT_BYTES)
    this.#services.publishing.charge(nodeClock.now(), this.#addressOf(request), units)
  }

  #addressOf(request: FastifyRequest): Uint8Array {
    const address = this.#services.tracker.askerOf(request.raw)
    if (address === undefined) throw new ApiProblem(400, 'api/bad-request', 'the connection has gone')
    return address
  }
}
