/**
 * Where we can be reached ourselves, as far as we know: what we were told to listen on, and what trackers say
 * they see us as (BEP 24). A claim of others, so it decides nothing but whom not to dial
 * and the order of peers.
 */
import { addressScope, scopeOfHost } from '../wire/address-scope.ts'
import { type Endpoint, isIpv6, parseAddress } from '../wire/endpoint.ts'
import { peerPriority } from '../wire/peer-priority.ts'

const LOOPBACK = { v4: '127.0.0.1', v6: '::1' } as const

export class OwnAddresses {
  readonly #port: number
  /** The one address we listen on; undefined for all. */
  readonly #host: string | undefined
  /** As last told, for each family. */
  readonly #external: { v4?: string; v6?: string } = {}

  constructor(port: number, host: string | undefined) {
    this.#port = port
    this.#host = host === '0.0.0.0' || host === '::' ? undefined : host
  }

  /** Somebody sees us as this address. Anything but an address of a network is ignored. */
  learn(host: string | undefined): void {
    const address = host === undefined ? undefined : parseAddress(host)
    if (host === undefined || address === undefined || addressScope(address) === 'machine') return
    this.#external[address.length === 4 ? 'v4' : 'v6'] = host
  }

  /** A dial there would reach ourselves. */
  includes({ host, port }: Endpoint): boolean {
    if (port !== this.#port) return false
    if (this.#host !== undefined) return host === this.#host
    return Object.values(LOOPBACK).includes(host as '::1') || Object.values(this.#external).includes(host)
  }

  /** Canonical priority of the peer (BEP 40); undefined while we do not know how it sees us. */
  priorityOf(peer: Endpoint): number | undefined {
    const host = this.#seenFrom(peer)
    return host === undefined ? undefined : peerPriority({ host, port: this.#port }, peer)
  }

  /** The address from which the peer would see us. */
  #seenFrom(peer: Endpoint): string | undefined {
    const family = isIpv6(peer) ? 'v6' : 'v4'
    const host = this.#host
    if (host !== undefined && host.includes(':') === isIpv6(peer)) return host
    const scope = scopeOfHost(peer.host)
    if (scope === 'machine') return LOOPBACK[family]
    const external = this.#external[family]
    return external !== undefined && scopeOfHost(external) === scope ? external : undefined
  }
}
