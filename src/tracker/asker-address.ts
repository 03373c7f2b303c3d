/**
 * Whose request is it? The address a packet or connection comes from, and nothing else, unless it is
 * that of a proxy the operator named: then the one whom the proxy speaks for (S23, S24).
 * Over HTTP a proxy says so with X-Forwarded-For, read from its end, because everything before what the
 * first trusted proxy added was written by the client; without that header, and over UDP, with the field `ip`
 * of the announce.
 * Invariants: no word of a stranger changes the result; what is no address of a host is not believed.
 */
import { toHex } from '../base/bytes.ts'
import { parseAddress, parseEndpoint } from '../wire/endpoint.ts'

/** Further hops are not looked at. */
const HOPS_MAX = 16

export class AskerAddress {
  /** In hex. Bounded by the operator's own list. */
  readonly #proxies: ReadonlySet<string>

  /** @param proxies numeric addresses */
  constructor(proxies: readonly string[]) {
    this.#proxies = new Set(proxies.flatMap((text) => parseAddress(text) ?? []).map(toHex))
  }

  /** False when nothing but the address counts, so that nobody need look for more. */
  get trustsProxies(): boolean {
    return this.#proxies.size > 0
  }

  /**
   * @param address where it came from, 4 or 16 bytes
   * @param claimed the field `ip` of the announce
   * @param forwardedFor the header
   */
  of(address: Uint8Array, claimed: string | undefined, forwardedFor?: string): Uint8Array {
    if (!this.isProxy(address)) return address
    if (forwardedFor !== undefined) return this.#forwarded(address, forwardedFor)
    return (claimed === undefined ? undefined : hostAddress(claimed)) ?? address
  }

  /** It was named as one that speaks for others. @param address 4 or 16 bytes */
  isProxy(address: Uint8Array): boolean {
    return this.trustsProxies && this.#proxies.has(toHex(address))
  }

  #forwarded(address: Uint8Array, header: string): Uint8Array {
    let believed = address
    for (const hop of header.split(',').slice(-HOPS_MAX).reverse()) {
      const named = hostAddress(hop.trim())
      // A hop that cannot be read ends what can be known.
      if (named === undefined) return believed
      believed = named
      if (!this.isProxy(named)) return believed
    }
    return believed
  }
}

/** Numeric, with or without a port; never an address of no host or of many. */
function hostAddress(text: string): Uint8Array | undefined {
  const plain = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  const endpoint = parseEndpoint(text)
  const address = parseAddress(endpoint === undefined ? plain : endpoint.host)
  if (address === undefined || address.every((byte) => byte === 0)) return undefined
  const isOfMany = address.length === 4 ? address[0]! >= 224 : address[0] === 0xff
  return isOfMany ? undefined : address
}
