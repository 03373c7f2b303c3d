/**
 * Addresses that others give us for a torrent: what of them goes into its peer list. Nobody may send us to
 * where he could not go himself: an address is taken from trackers and peers only if it is no more private
 * than they are (S17).
 */
import { type AddressScope, reachesAsFar, scopeOfHost } from '../wire/address-scope.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { PeerList, PeerSource } from './peer-list.ts'

export class Introductions {
  readonly #peers: PeerList

  constructor(peers: PeerList) {
    this.#peers = peers
  }

  /**
   * @param from how far the address of the source itself reaches; undefined for the user's own word
   * @param namesRebuilt the first dial names the rebuilt infohash
   */
  take(peers: readonly Endpoint[], source: PeerSource, from?: AddressScope, namesRebuilt = false): void {
    for (const endpoint of peers)
      if (from === undefined || reachesAsFar(scopeOfHost(endpoint.host), from))
        this.#peers.add(endpoint, source, namesRebuilt)
  }
}
