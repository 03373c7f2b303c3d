/**
 * A tracker's HTTP API as commands use it: the first tracker that was named, its answers as JSON.
 * A passkey in the announce address (`http://host:6969/PASSKEY/announce`) is the credential here too; it goes
 * into a header, never into an address.
 * Invariants: an answer is read up to REPLY_BYTES_MAX; redirects are not followed; errors never name the
 * passkey.
 */
import { passkeyOf } from '../nodejs/catalog-client.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { Settings } from './settings.ts'

export interface TrackerReply {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

export interface TrackerRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below `/api/v1`. */
  readonly path: string
  readonly body?: unknown
  /** In place of the passkey. */
  readonly token?: string | undefined
}

/** Piece hashes of the longest payload take 17 MiB. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024

export class TrackerClient {
  /** `http://host:6969`. */
  readonly origin: string
  readonly #passkey: string | undefined
  readonly #timeoutMs: number

  constructor(announceUrl: string, timeoutMs: number) {
    const url = new URL(announceUrl)
    this.origin = url.origin
    this.#passkey = passkeyOf(announceUrl)
    this.#timeoutMs = timeoutMs
  }

  /** The first tracker with an HTTP address; undefined where none was named, or trackers are switched off. */
  static of({ tracker, useTracker, trackerTimeout }: Settings): TrackerClient | undefined {
    const url = tracker.find((named) => /^https?:/.test(named))
    return url === undefined || !useTracker ? undefined : new TrackerClient(url, trackerTimeout)
  }

  /** Throws ShoalError `tracker/unreachable` and `tracker/no-api`. */
  async ask({ method, path, body, token = this.#passkey }: TrackerRequest): Promise<TrackerReply> {
    let response: Response
    let bytes: Uint8Array
    try {
      response = await fetch(`${this.origin}/api/v1${path}`, {
        method,
        redirect: 'manual',
        signal: AbortSignal.timeout(this.#timeoutMs),
        headers: {
          accept: 'application/json',
          ...(method !== 'GET' && { 'content-type': 'application/json' }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        ...(method !== 'GET' && { body: JSON.stringify(body ?? {}) }),
      })
      bytes = await readBounded(response)
    } catch (cause) {
      throw new ShoalError(
        'tracker/unreachable',
        `the tracker ${this.origin} cannot be reached`,
        'Is it running? Name another with --tracker, or do without: --no-tracker.',
        { cause },
      )
    }
    return { status: response.status, body: this.#parse(bytes) }
  }

  /** The same, and any refusal is thrown, with the tracker's own code, message and hint. */
  async must(request: TrackerRequest): Promise<TrackerReply> {
    const reply = await this.ask(request)
    if (reply.status < 400) return reply
    throw refusal(reply)
  }

  #parse(bytes: Uint8Array): Readonly<Record<string, unknown>> {
    try {
      const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
      if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
    } catch {
      // Said below.
    }
    throw new ShoalError(
      'tracker/no-api',
      `the tracker ${this.origin} has no such API`,
      'Only Shoal trackers have it; announces go to any.',
    )
  }
}

/** What a problem document says, as the error it stands for. */
export function refusal({ status, body }: TrackerReply): ShoalError {
  const { code, detail, hint } = body
  return new ShoalError(
    typeof code === 'string' ? code : 'tracker/refused',
    typeof detail === 'string' ? detail : `the tracker refused with status ${status}`,
    typeof hint === 'string' ? hint : undefined,
  )
}

async function readBounded(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > REPLY_BYTES_MAX) throw new Error('the answer is too long')
    parts.push(part)
  }
  return Buffer.concat(parts)
}
