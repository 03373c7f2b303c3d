/**
 * The tracker transport port on Node.js: picks HTTP or UDP by the URL's scheme.
 * Invariant: as the port says, `done` is called later, once, and never after cancelling or `close`.
 */
import { fail, type Result } from '../base/result.ts'
import type { TrackerTransport } from '../ports/tracker-transport.ts'
import type { AnnounceReply, AnnounceRequest, TrackerFault } from '../wire/tracker-announce.ts'
import { HttpTrackerTransport, type HttpTrackerTransportOptions } from './tracker-transport-http.ts'
import { UdpTrackerTransport, type UdpTrackerTransportOptions } from './tracker-transport-udp.ts'

export type NodeTrackerTransportOptions = HttpTrackerTransportOptions & UdpTrackerTransportOptions

export class NodeTrackerTransport implements TrackerTransport {
  readonly #http: HttpTrackerTransport
  readonly #udp: UdpTrackerTransport
  /** Refusals on their way. Bounded by the announcers' open requests. */
  readonly #refusals = new Set<NodeJS.Immediate>()

  constructor(options: NodeTrackerTransportOptions = {}) {
    this.#http = new HttpTrackerTransport(options)
    this.#udp = new UdpTrackerTransport(options)
  }

  announce(
    url: string,
    request: AnnounceRequest,
    done: (result: Result<AnnounceReply, TrackerFault>) => void,
  ): () => void {
    const scheme = URL.canParse(url) ? new URL(url).protocol : undefined
    if (scheme === 'http:' || scheme === 'https:') return this.#http.announce(url, request, done)
    if (scheme === 'udp:') return this.#udp.announce(url, request, done)
    return this.#refuse(scheme, done)
  }

  close(): void {
    this.#http.close()
    this.#udp.close()
    for (const refusal of this.#refusals) clearImmediate(refusal)
    this.#refusals.clear()
  }

  #refuse(
    scheme: string | undefined,
    done: (result: Result<AnnounceReply, TrackerFault>) => void,
  ): () => void {
    const what = scheme === undefined ? 'is not a URL' : `begins with ${scheme}//, which is not supported`
    const refusal = setImmediate(() => {
      this.#refusals.delete(refusal)
      const hint = 'Use a tracker whose address begins with http://, https:// or udp://.'
      done(fail('tracker/unsupported-scheme', `the tracker's address ${what}`, hint))
    })
    this.#refusals.add(refusal)
    return () => {
      clearImmediate(refusal)
      this.#refusals.delete(refusal)
    }
  }
}
