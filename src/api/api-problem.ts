/**
 * What a request is refused with: a problem document (RFC 9457). Thrown by routes, answered by
 * `tracker-api.ts`. `code` is the identity, as everywhere (docs/errors.md); texts are for people.
 */
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { FieldProblem, Problem } from './contract.ts'

export class ApiProblem extends ShoalError {
  override name = 'ApiProblem'
  readonly status: number
  /** What is wrong with which field of the request. */
  readonly fields: readonly FieldProblem[]
  /** When to try again (RFC 9110, Retry-After). */
  readonly retryAfterSeconds: number | undefined

  constructor(
    status: number,
    code: string,
    message: string,
    rest: {
      readonly hint?: string | undefined
      readonly fields?: readonly FieldProblem[]
      readonly retryAfterSeconds?: number
    } = {},
  ) {
    super(code, message, rest.hint)
    this.status = status
    this.fields = rest.fields ?? []
    this.retryAfterSeconds = rest.retryAfterSeconds
  }
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not authenticated',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported content type',
  421: 'Misdirected request',
  422: 'Not acceptable',
  429: 'Too many requests',
  503: 'Not available',
  507: 'No room',
}

/**
 * The document itself. What is not a problem of the request is told without its text, which may say too much.
 */
export function problemOf(error: unknown): Problem {
  if (error instanceof ApiProblem) {
    const { status, code, message, hint, fields } = error
    return {
      ...base(status, code, message),
      ...(hint !== undefined && { hint }),
      ...(fields.length > 0 && { errors: [...fields] }),
    }
  }
  if (error instanceof ShoalError && error.code === 'store/away')
    return { ...base(503, error.code, error.message), ...(error.hint !== undefined && { hint: error.hint }) }
  const status = statusOf(error)
  switch (status) {
    case 400:
      return base(400, 'api/bad-request', 'the request cannot be read')
    case 413:
      return base(413, 'api/body-too-large', 'the body is larger than this route takes')
    case 415:
      return base(415, 'api/not-json', 'send the body as application/json')
    default:
      return base(500, 'internal/unexpected', 'something went wrong here; it is not your request')
  }
}

function base(status: number, code: string, detail: string): Problem {
  return { type: `urn:shoal:error:${code}`, title: TITLES[status] ?? 'Failed', status, detail, code }
}

/** Of what Fastify threw while reading the request. */
function statusOf(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' ? status : 500
}
