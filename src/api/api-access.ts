/**
 * Who asks the API: the operator by token, a member by passkey, or anybody. Both come as `Authorization:
 * Bearer`. In the modes `invite` and `members` everything but joining and what describes the API is for them
 * alone; a credential that is wrong is refused in every mode.
 */
import type { FastifyRequest } from 'fastify'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { Asker, TrackerAccess } from '../nodejs/tracker-access.ts'
import { parseAddress } from '../wire/endpoint.ts'
import { ApiProblem } from './api-problem.ts'

/** For everybody, in every mode. */
const FOR_ALL: ReadonlySet<string> = new Set(['/api', '/api/openapi.json', '/api/v1/join', '/style.css'])

const STATUS: Readonly<Record<string, number>> = {
  'access/too-many-tries': 429,
  'access/too-many-invites': 429,
  'access/bad-invite': 403,
  'access/full': 507,
}

/** Before every route. Throws ApiProblem 401, 403, 429. */
export function checkAccess(access: TrackerAccess, request: FastifyRequest): void {
  const asker = askerOf(access, request)
  const path = request.url.split('?', 1)[0]!
  if (access.mode === 'open' || asker !== undefined || FOR_ALL.has(path)) return
  throw new ApiProblem(401, 'access/members-only', 'this tracker is for members', {
    hint: 'Send your passkey as Authorization: Bearer; join with an invite link: `shoal join`.',
  })
}

/** Undefined when no credential came. Throws ApiProblem for a wrong one. */
export function askerOf(access: TrackerAccess, request: FastifyRequest): Asker | undefined {
  const secret = /^Bearer ([\w-]{1,256})$/.exec(request.headers.authorization ?? '')?.[1]
  if (secret === undefined) return undefined
  const asker = asProblem(() => access.askerOf(secret, addressOf(request)))
  if (asker !== undefined) return asker
  throw new ApiProblem(401, 'access/bad-token', 'this passkey or token is not valid', {
    hint: 'Check it, or ask the operator for a new one.',
  })
}

/** 4 or 16 bytes, of the connection. */
export function addressOf({ raw }: FastifyRequest): Uint8Array {
  return parseAddress((raw.socket.remoteAddress ?? '').replace(/%.*$/, '')) ?? new Uint8Array(4)
}

/** What the parts behind the routes throw, as the answer it is. */
export function asProblem<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    return throwAsProblem(error)
  }
}

/** For `catch`. */
export function throwAsProblem(error: unknown): never {
  const status = error instanceof ShoalError ? STATUS[error.code] : undefined
  if (status === undefined) throw error
  const { code, message, hint } = error as ShoalError
  throw new ApiProblem(status, code, message, { hint })
}
