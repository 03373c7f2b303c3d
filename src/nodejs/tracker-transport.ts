/**
 * The tracker transport port on Node.js: picks HTTP or UDP by the URL's scheme.
 * Invariant: as the port says, `done` is called later, once, and never after cancelling or `close`.
 */
import dns from 'node:dns'
import { isIP } from 'node:net'
import { fail, type Result } from '../base/result.ts'
import type { TrackerTransport } from '../ports/tracker-transport.ts'
import { scopeOfHost } from '../wire/address-scope.ts'
import type { AnnounceReply, AnnounceRequest, TrackerFault } from '../wire/tracker-announce.ts'
import { type Family, FamilyAnnounces } from './tracker-families.ts'
import { HttpTrackerTransport, type HttpTrackerTransportOptions } from './tracker-transport-http.ts'
import { UdpTrackerTransport, type UdpTrackerTransportOptions } from './tracker-transport-udp.ts'

type Done = (result: Result<AnnounceReply, TrackerFault>) => void
type Lookup = (
  hostname: string,
  options: { readonly all: true },
  done: (error: Error | null, addresses?: dns.LookupAddress[]) => void,
) => void

export type NodeTrackerTransportOptions = HttpTrackerTransportOptions &
  UdpTrackerTransportOptions & {
    /** Which addresses a tracker's name has, when that decides over which families to announce. */
    readonly lookup?: Lookup
  }

export class NodeTrackerTransport implements TrackerTransport {
  readonly #http: HttpTrackerTransport
  readonly #udp: UdpTrackerTransport
  /** Refusals on their way. Bounded by the announcers' open requests. */
  readonly #refusals = new Set<NodeJS.Immediate>()
  /** How to end each announce to a name. Bounded by the announcers' open requests. */
  readonly #resolving = new Set<() => void>()
  readonly #lookup: Lookup
  /** To an address of one family. */
  readonly #isBound: boolean

  constructor(options: NodeTrackerTransportOptions = {}) {
    this.#http = new HttpTrackerTransport(options)
    this.#udp = new UdpTrackerTransport(options)
    this.#lookup = options.lookup ?? dns.lookup
    this.#isBound = ![undefined, '0.0.0.0', '::'].includes(options.localAddress)
  }

  announce(
    url: string,
    request: AnnounceRequest,
    done: (result: Result<AnnounceReply, TrackerFault>) => void,
  ): () => void {
    const scheme = URL.canParse(url) ? new URL(url).protocol : undefined
    const transport = scheme === 'http:' || scheme === 'https:' ? this.#http : this.#udp
    if (transport === this.#udp && scheme !== 'udp:') return this.#refuse(scheme, done)
    const single = (answered: Done, family?: Family) => transport.announce(url, request, answered, family)
    return this.#isBound ? single(done) : this.#overFamilies(new URL(url).hostname, single, done)
  }

  /**
   * Over both families where the name has public addresses of both (BEP 7), else over the one there is. Peers
   * on the tracker's own machine would only be listed twice.
   */
  #overFamilies(
    hostname: string,
    single: (done: Done, family?: Family) => () => void,
    done: Done,
  ): () => void {
    if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) return single(done)
    let cancel: (() => void) | undefined
    let isOver = false
    const end = (): void => {
      isOver = true
      this.#resolving.delete(end)
      cancel?.()
    }
    this.#resolving.add(end)
    this.#lookup(hostname, { all: true }, (_error, addresses = []) => {
      if (isOver) return
      const finish: Done = (answer) => {
        this.#resolving.delete(end)
        done(answer)
      }
      const families = new Set(addresses.filter(isElsewhere).map(({ family }) => family))
      const both =
        families.size === 2 && new FamilyAnnounces((family, answered) => single(answered, family), finish)
      cancel = both ? () => both.cancel() : single(finish)
    })
    return end
  }

  close(): void {
    for (const end of [...this.#resolving]) end()
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

function isElsewhere({ address }: dns.LookupAddress): boolean {
  return scopeOfHost(address) !== 'machine'
}
