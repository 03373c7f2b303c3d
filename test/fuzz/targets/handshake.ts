/**
 * The 68 bytes that open a connection: refused, or the same again when written anew,
 * unknown reserved bits apart.
 */
import { assert } from '../../../src/base/assert.ts'
import { equalBytes } from '../../../src/base/bytes.ts'
import { decodeHandshake, encodeHandshake, isHandshakeStart } from '../../../src/wire/handshake.ts'

export default {
  name: 'handshake',

  seeds(): Uint8Array[] {
    const one = { infoHash: new Uint8Array(20).fill(1), peerId: new Uint8Array(20).fill(2) }
    return [
      encodeHandshake({ ...one, supportsExtensions: true, supportsFast: true, supportsV2: false }),
      encodeHandshake({ ...one, supportsExtensions: false, supportsFast: false, supportsV2: true }),
    ]
  },

  run(bytes: Uint8Array): void {
    const decoded = decodeHandshake(bytes)
    if (!decoded.ok) return
    assert(isHandshakeStart(bytes), 'a handshake starts like one')
    const again = encodeHandshake(decoded.value)
    assert(equalBytes(again.subarray(28), bytes.subarray(28)), 'hash and id are kept')
  },
}
