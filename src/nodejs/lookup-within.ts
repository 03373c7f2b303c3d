/**
 * Name lookups that give only addresses we may connect to. Used for the very connection, so there is no
 * moment between check and use in which a name server could change its mind (S39).
 */
import dns from 'node:dns'
import type { LookupFunction } from 'node:net'
import { parseAddress } from '../wire/endpoint.ts'

export class BlockedAddress extends Error {}

/** Looks names up as usual, then drops the addresses that are not allowed. */
export function lookupWithin(isAllowed: (address: Uint8Array) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, [])
      const allowed = addresses.filter(({ address }) => {
        const bytes = parseAddress(address)
        return bytes !== undefined && isAllowed(bytes)
      })
      const [first] = allowed
      if (first === undefined) callback(new BlockedAddress(), [])
      else if (options.all) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}
