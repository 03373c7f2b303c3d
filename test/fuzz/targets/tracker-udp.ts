/** Packets of the UDP tracker protocol, both directions and both families. */
import {
  decodeUdpReply,
  decodeUdpRequest,
  encodeUdpAnnounce,
  encodeUdpConnect,
  encodeUdpConnected,
  encodeUdpError,
  encodeUdpScrape,
  encodeUdpScraped,
} from '../../../src/wire/tracker-udp.ts'

const ID = new Uint8Array(8).fill(1)
const HASH = new Uint8Array(20).fill(2)

export default {
  name: 'tracker-udp',

  seeds: (): Uint8Array[] => {
    const request = { infoHash: HASH, peerId: HASH, port: 6881, uploaded: 1, downloaded: 2, left: 3, key: 4 }
    return [
      encodeUdpConnect(7),
      encodeUdpAnnounce(ID, 7, request, '/announce?k=1'),
      encodeUdpScrape(ID, 7, [HASH, HASH]),
      encodeUdpConnected(7, ID),
      encodeUdpScraped(7, [{ seeders: 1, leechers: 2, completed: 3 }]),
      encodeUdpError(7, 'no'),
      Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 7, ...new Uint8Array(12), 127, 0, 0, 1, 0, 9),
    ]
  },

  run(bytes: Uint8Array): void {
    const request = decodeUdpRequest(bytes)
    if (request.ok && request.value.kind === 'announce') {
      const { connectionId, transactionId, request: announce, urlData } = request.value
      const again = decodeUdpRequest(encodeUdpAnnounce(connectionId, transactionId, announce, urlData))
      if (!again.ok) throw new Error('read, but not read again')
    }
    decodeUdpReply(bytes, 'v4')
    decodeUdpReply(bytes, 'v6')
  },
}
