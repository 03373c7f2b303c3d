/**
 * Requests to the API of Shoal trackers: JSON over HTTP or HTTPS, to the host that announces go to and no
 * other. Redirects are not followed. For a tracker that is announced to over UDP there is no such host, and
 * it cannot offer an API either. The passkey of a member, which stands in the announce address, goes along.
 * Invariants: `done` is called later, once, unless `close` came before; `close` leaves no
 * socket and no timer.
 */
import type http from 'node:http'
import { LIMITS } from '../base/limits.ts'
import { type Fault, fail, ok, type Result } from '../base/result.ts'
import type { TrackerCalls } from '../ports/tracker-transport.ts'
import type { TrackerCall } from '../swarm/tracker-extension.ts'
import { passkeyOf } from './catalog-client.ts'
import { connectFrom, httpRequest } from './node-http.ts'
import { timedOut, unreachable } from './tracker-fault.ts'

export interface HttpTrackerCallsOptions {
  /** Source address; undefined or a wildcard leaves it to the system. */
  readonly localAddress?: string | undefined
  readonly timeoutMs: number
}

type Done = (result: Result<unknown>) => void

export class HttpTrackerCalls implements TrackerCalls {
  readonly #timeoutMs: number
  readonly #localAddress: string | undefined
  /** Bounded by the torrents and `extendedTrackersMax`: three for each pair. */
  readonly #open = new Set<http.ClientRequest>()
  #isClosed = false

  constructor({ localAddress, timeoutMs }: HttpTrackerCallsOptions) {
    this.#localAddress = localAddress
    this.#timeoutMs = timeoutMs
  }

  call({ url, path, body }: TrackerCall, done: Done): void {
    const target = new URL(path, url)
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const passkey = passkeyOf(url)
    const request = httpRequest(target, {
      method: bytes === undefined ? 'GET' : 'POST',
      headers: {
        Accept: 'application/json',
        ...(passkey !== undefined && { Authorization: `Bearer ${passkey}` }),
        ...(bytes !== undefined && {
          'Content-Type': 'application/json',
          'Content-Length': String(bytes.length),
        }),
      },
      agent: false,
      rejectUnauthorized: true,
      ...connectFrom(this.#localAddress),
    })
    this.#open.add(request)
    const timer = setTimeout(() => finish(timedOut(target.host, this.#timeoutMs)), this.#timeoutMs)
    const finish = (outcome: Fault | { readonly body: Buffer; readonly status: number }): void => {
      if (!this.#open.delete(request)) return
      clearTimeout(timer)
      request.destroy()
      if (!this.#isClosed) done('body' in outcome ? answerOf(outcome) : { ok: false, error: outcome })
    }
    request.on('error', (error: NodeJS.ErrnoException) => finish(unreachable(target.host, error)))
    // After `close` destroyed it.
    request.on('close', () => clearTimeout(timer))
    request.once('response', (response) => {
      const chunks: Buffer[] = []
      let length = 0
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        length += chunk.length
        if (length > LIMITS.trackerReplyBytesMax.value)
          finish({ code: 'tracker/bad-reply', message: `the answer of ${target.host} is too long` })
      })
      response.on('error', (error) => finish(unreachable(target.host, error)))
      response.once('end', () => finish({ body: Buffer.concat(chunks), status: response.statusCode ?? 0 }))
    })
    request.end(bytes)
  }

  close(): void {
    this.#isClosed = true
    for (const request of this.#open) request.destroy()
    this.#open.clear()
  }
}

function answerOf({ body, status }: { readonly body: Buffer; readonly status: number }): Result<unknown> {
  if (status === 404) return fail('tracker/not-found', 'the tracker knows no such thing')
  const value = parsed(body)
  if (status < 200 || status > 299) return refused(status, value)
  return value === undefined
    ? fail('tracker/bad-reply', "the answer of the tracker's API is no JSON")
    : ok(value)
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}

/** What a problem document says (RFC 9457), as the fault it stands for. */
function refused(status: number, value: unknown): Result<unknown> {
  const { code, detail, hint } = (value ?? {}) as Readonly<Record<string, unknown>>
  if (typeof code !== 'string' || typeof detail !== 'string')
    return fail('tracker/failure', `the tracker's API answered with HTTP status ${status}`)
  return fail(code, detail, typeof hint === 'string' ? hint : undefined)
}
