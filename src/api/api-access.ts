/**
 * Who asks the API: the operator by token, a member by passkey, or anybody. Both come as `Authorization:
 * Bearer`. In the modes `invite` and `members` everything but joining and what describes the API is for them
 * alone; a credential that is wrong is refused in every mode.
 */
import type { FastifyRequest } from 'fastify'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { Asker } from '../nodejs/tracker-access.ts'
import { ApiProblem } from './api-problem.ts'
import type { ApiServices } from './services.ts'

/** For everybody, in every mode. */
const FOR_ALL: ReadonlySet<string> = new Set(['/api', '/api/openapi.json', '/api/v1/join', '/style.css'])

/** What decides. */
type Gatekeepers = Pick<ApiServices, 'access' | 'tracker'>

/** In place of the address of a connection that is no longer there. */
const GONE = new Uint8Array(4)

const STATUS: Readonly<Record<string, number>> = {
  'access/too-many-tries': 429,
  'access/too-many-invites': 429,
  'access/bad-invite': 403,
  'access/full': 507,
}

/** Before every route. Throws ApiProblem 401, 403, 429. */
export function checkAccess(gatekeepers: Gatekeepers, request: FastifyRequest): void {
  const asker = askerOf(gatekeepers, request)
  const path = request.url.split('?', 1)[0]!
  // A browser asks first whether it may send a credential, and sends none with that.
  const isFree = request.method === 'OPTIONS' || FOR_ALL.has(path)
  if (gatekeepers.access.mode === 'open' || asker !== undefined || isFree) return
  throw membersOnly('this tracker is for members')
}

/**
 * Before anything is told or taken of a swarm: one that was made private is for members in every mode. Throws
 * ApiProblem 401, 429. @param infoHash 20 bytes
 */
export function checkSwarm(gatekeepers: Gatekeepers, request: FastifyRequest, infoHash: Uint8Array): void {
  if (!gatekeepers.access.isForMembers(infoHash) || askerOf(gatekeepers, request) !== undefined) return
  throw membersOnly('this swarm is for members')
}

/** Undefined when no credential came. Throws ApiProblem for a wrong one. */
export function askerOf({ access, tracker }: Gatekeepers, request: FastifyRequest): Asker | undefined {
  const secret = /^Bearer ([\w-]{1,256})$/.exec(request.headers.authorization ?? '')?.[1]
  if (secret === undefined) return undefined
  const asker = asProblem(() => access.askerOf(secret, addressOf(tracker, request)))
  if (asker !== undefined) return asker
  throw new ApiProblem(401, 'access/bad-token', 'this passkey or token is not valid', {
    hint: 'Check it, or ask the operator for a new one.',
  })
}

/** 4 or 16 bytes: of the connection, or of whom a trusted proxy speaks for. */
export function addressOf(tracker: ApiServices['tracker'], { raw }: FastifyRequest): Uint8Array {
  return tracker.askerOf(raw) ?? GONE
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

function membersOnly(message: string): ApiProblem {
  return new ApiProblem(401, 'access/members-only', message, {
    hint: 'Send your passkey as Authorization: Bearer; join with an invite link: `shoal join`.',
  })
}
