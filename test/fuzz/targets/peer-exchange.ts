/** Peer exchange: however hostile, few addresses come out of a message, and they can be written again. */
import { isDeepStrictEqual } from 'node:util'
import { assert } from '../../../src/base/assert.ts'
import { LIMITS } from '../../../src/base/limits.ts'
import { decodePeerExchange, encodePeerExchange } from '../../../src/wire/peer-exchange.ts'

export default {
  name: 'peer-exchange',

  seeds: (): Uint8Array[] => [
    encodePeerExchange({
      added: [
        { host: '1.2.3.4', port: 5, flags: 2 },
        { host: '2001:db8::1', port: 6881, flags: 16 },
      ],
      dropped: [{ host: '5.6.7.8', port: 9 }],
    }),
    new TextEncoder().encode('d5:added12:abcdefghijkl7:added.f1:xe'),
  ],

  run(bytes: Uint8Array): void {
    const decoded = decodePeerExchange(bytes)
    if (!decoded.ok) return
    const { added } = decoded.value
    assert(added.length <= LIMITS.pexPeersMax.value, 'addresses are bounded')
    const again = decodePeerExchange(encodePeerExchange({ added, dropped: [] }))
    const byAddress = (peers: typeof added) => peers.map((peer) => JSON.stringify(peer)).sort()
    assert(again.ok && isDeepStrictEqual(byAddress(again.value.added), byAddress(added)), 'can be written')
  },
}
