/**
 * Share links: magnet links with both infohashes, the trackers and the address of the peer that shares
 * (`x.pe`), so that any client can open them, also where there is no tracker.
 */

import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { withoutPasskey } from '../nodejs/catalog-client.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { formatMagnet } from '../wire/magnet.ts'
import type { Metainfo } from '../wire/metainfo.ts'

/**
 * @param trackers tiers that are announced to
 * @param exactSources addresses of its record in catalogs
 * @param listening where the peer that shares listens, once it does
 */
export function shareLink(
  metainfo: Metainfo,
  trackers: readonly (readonly string[])[] = metainfo.trackers,
  listening?: Endpoint,
  exactSources: readonly string[] = [],
): string {
  return formatMagnet({
    infoHashV1: metainfo.infoHashV1,
    infoHashV2: metainfo.infoHashV2,
    name: metainfo.name,
    trackers: [...new Set(trackers.flat().map(withoutPasskey))],
    webSeeds: metainfo.webSeeds,
    exactSources,
    // BEP 27: peers of a private torrent come from its trackers only.
    peers:
      metainfo.private || !listening ? [] : [{ host: reachableHost(listening.host), port: listening.port }],
    selectOnly: [],
  })
}

/**
 * The address others can dial: one of this machine's own where all are listened on,
 * loopback as a last resort.
 */
export function reachableHost(host: string): string {
  if (host !== '::' && host !== '0.0.0.0') return host
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])
  const outside = addresses.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
  const best = outside.find(({ address }) => isIP(address) === 4) ?? outside[0]
  return best?.address ?? '127.0.0.1'
}
