/**
 * Addresses that others give us for a torrent: what of them goes into its peer list (S17).
 * Refused are addresses that nobody listens at (no port, multicast, broadcast, link-local without its link),
 * our own, and, of trackers and peers, those that are more private than they are themselves: nobody may send
 * us to where he could not go. Of one host few addresses are taken, unless it is this machine.
 */
import { LIMITS } from '../base/limits.ts'
import { type AddressScope, addressScope, isUnicast, reachesAsFar } from '../wire/address-scope.ts'
import { type Endpoint, parseAddress } from '../wire/endpoint.ts'
import type { OwnAddresses } from './own-addresses.ts'
import type { PeerList, PeerSource } from './peer-list.ts'

export class Introductions {
  readonly #peers: PeerList
  readonly #own: OwnAddresses

  constructor(peers: PeerList, own: OwnAddresses) {
    this.#peers = peers
    this.#own = own
  }

  /**
   * @param from how far the address of the source itself reaches; undefined for the user's own word, and for
   *   links, which come from no address
   * @param namesRebuilt the first dial names the rebuilt infohash
   */
  take(peers: readonly Endpoint[], source: PeerSource, from?: AddressScope, namesRebuilt = false): void {
    for (const endpoint of peers)
      if (this.#isWelcome(endpoint, source, from)) this.#peers.add(endpoint, source, namesRebuilt)
  }

  /**
   * These are said to be seeds, and we are one: they are not dialled while that is so. Believed only of who
   * is known from that source alone.
   */
  spare(seeds: readonly Endpoint[]): void {
    for (const endpoint of seeds) {
      const known = this.#peers.get(endpoint)
      if (known?.source === 'pex') known.pointless ??= 'seed'
    }
  }

  /**
   * Others say of these that they prefer encryption: so the first dial begins with it, if that is allowed.
   */
  dialEncrypted(peers: readonly Endpoint[]): void {
    for (const endpoint of peers) {
      const known = this.#peers.get(endpoint)
      if (known?.source !== 'pex' || known.isConnected || known.failureCount > 0) continue
      if (known.earlyDialCount === 0) known.isDialledEncrypted = true
    }
  }

  #isWelcome(endpoint: Endpoint, source: PeerSource, from: AddressScope | undefined): boolean {
    const address = parseAddress(endpoint.host)
    if (endpoint.port === 0 || address === undefined || !isUnicast(address)) return false
    if (source === 'manual') return true
    if (this.#own.includes(endpoint)) return false
    const scope = addressScope(address)
    if (from !== undefined && !reachesAsFar(scope, from)) return false
    return scope === 'machine' || this.#peers.countAt(endpoint.host) < LIMITS.knownPeersPerHostMax.value
  }
}
