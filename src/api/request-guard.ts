/**
 * What stands before every route: who was meant (Host), who asks (Origin), how (content type), and the
 * headers that tell browsers what a page of ours may do.
 *
 * - Host (S33): a page elsewhere can make its own name lead to this address, and would
 * then be one origin with us. So
 *   only names that its owner cannot take are served: numeric addresses, `localhost`, this machine's own
 *   name, and the names given with `--api-host`. `--api-host any` serves every name: right for a public
 *   tracker whose every answer is public anyway, wrong for one behind a firewall.
 * - Origin (S34, S35): no other origin may read answers, unless `--api-origin` names it,
 * and none may change anything.
 *   A request that changes something must be JSON, which a form of another page cannot send; an Origin that
 *   it carries must be ours or a named one.
 * - Framing and script (S36, S44): a page runs no script but our own files and stands in no frame.
 *
 * `X-Forwarded-Host` means nothing here: anyone can send it. A proxy passes the Host on, or is named itself.
 */
import { hostname } from 'node:os'
import { parseAddress } from '../wire/endpoint.ts'
import { ApiProblem } from './api-problem.ts'

export interface GuardOptions {
  /** Names under which this tracker is reached, beside its addresses; `any` for all. */
  readonly hosts: readonly string[]
  /** Other origins that may read and change what anyone may: `https://example.org`. */
  readonly origins: readonly string[]
}

export interface GuardedRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** Methods that change nothing, by the book and here. */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
/** No other page can send these without asking first (they are not CORS-safelisted). */
const BODY_TYPES: ReadonlySet<string> = new Set(['application/json', 'application/x-bittorrent'])

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
}

export class RequestGuard {
  readonly #hosts: ReadonlySet<string>
  readonly #servesAnyHost: boolean
  readonly #origins: ReadonlySet<string>

  constructor({ hosts, origins }: GuardOptions) {
    const own = hostname().toLowerCase()
    const names = hosts.map((host) => host.toLowerCase())
    this.#servesAnyHost = names.includes('any')
    this.#hosts = new Set(['localhost', own, `${own}.local`, ...names])
    this.#origins = new Set(origins.map((origin) => origin.toLowerCase()))
  }

  /** Throws ApiProblem. @returns headers the answer must have, whatever it is */
  check(request: GuardedRequest): Readonly<Record<string, string>> {
    const host = request.headers.host
    if (typeof host !== 'string' || !this.#serves(host))
      throw new ApiProblem(421, 'api/foreign-host', `this tracker is not known as ${shown(host)}`, {
        hint: 'Use its address, or start it with --api-host NAME.',
      })
    const origin = request.headers.origin
    const isOwn = typeof origin === 'string' && isSameOrigin(origin, host)
    const isNamed = typeof origin === 'string' && this.#origins.has(origin.toLowerCase())
    if (!SAFE_METHODS.has(request.method)) this.#checkChange(request, isOwn || isNamed)
    return isNamed ? { 'access-control-allow-origin': origin, vary: 'Origin' } : {}
  }

  #checkChange({ headers }: GuardedRequest, isFriendly: boolean): void {
    const isForeign = headers.origin === undefined ? headers['sec-fetch-site'] === 'cross-site' : !isFriendly
    if (isForeign)
      throw new ApiProblem(403, 'api/foreign-origin', 'another page may not change anything here', {
        hint: 'Start the tracker with --api-origin ORIGIN to allow it.',
      })
    const type = String(headers['content-type'] ?? '')
    if (!BODY_TYPES.has(type.split(';', 1)[0]!.trim().toLowerCase()))
      throw new ApiProblem(415, 'api/not-json', 'send the body as application/json')
  }

  #serves(host: string): boolean {
    if (this.#servesAnyHost) return true
    const name = nameOf(host)
    return parseAddress(name) !== undefined || name.endsWith('.localhost') || this.#hosts.has(name)
  }
}

/** What a browser may do on our behalf, for the origins that were named. */
export const PREFLIGHT_HEADERS: Readonly<Record<string, string>> = {
  'access-control-allow-methods': 'GET, POST, PUT, DELETE',
  'access-control-allow-headers': 'content-type, authorization',
  'access-control-max-age': '600',
}

/** Of `NAME:PORT` or `[ADDRESS]:PORT`, in lower case, without the dot that ends a full name. */
function nameOf(host: string): string {
  const name = host.toLowerCase().replace(/:\d*$/, '')
  return name.startsWith('[') ? name.slice(1).replace(/\]$/, '') : name.replace(/\.$/, '')
}

function isSameOrigin(origin: string, host: string): boolean {
  const match = /^https?:\/\/([^/]+)$/i.exec(origin)
  return match !== null && match[1]!.toLowerCase() === host.toLowerCase()
}

/** Names from outside, as much of them as helps. */
function shown(host: unknown): string {
  return typeof host === 'string' && host !== '' ? `"${host.slice(0, 100)}"` : 'nothing (no Host)'
}
