/** Query strings as a tracker reads them: announces and scrapes. */
import { fromLatin1, toLatin1 } from '../../../src/base/text.ts'
import {
  decodeAnnounceQuery,
  decodeScrapeQuery,
  encodeAnnounceQuery,
} from '../../../src/wire/tracker-http.ts'

const HASH = '%ff'.repeat(20)

export default {
  name: 'tracker-http',

  seeds: (): Uint8Array[] =>
    [
      `info_hash=${HASH}&peer_id=-XX0001-012345678901&port=6881&uploaded=1&downloaded=2&left=3&event=started`,
      `info_hash=${HASH}&peer_id=${HASH}&port=1&numwant=50&compact=0&no_peer_id=1&key=ABCDEF01&trackerid=%00&ip=::1`,
      `info_hash=${HASH}&info_hash=${HASH}`,
      '%&=&&a=%',
    ].map(fromLatin1),

  run(bytes: Uint8Array): void {
    const query = toLatin1(bytes)
    const announce = decodeAnnounceQuery(query)
    if (announce.ok) {
      const again = decodeAnnounceQuery(encodeAnnounceQuery(announce.value))
      if (!again.ok) throw new Error(`read, but not read again: ${again.error.message}`)
    }
    const scrape = decodeScrapeQuery(query)
    if (scrape.ok && scrape.value.some((infoHash) => infoHash.length !== 20))
      throw new Error('a hash of another length')
  },
}
