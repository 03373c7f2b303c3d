/** Announces of the local network: bounded, whatever comes, and written as they were read. */
import { isDeepStrictEqual } from 'node:util'
import { assert } from '../../../src/base/assert.ts'
import {
  decodeLocalAnnounce,
  encodeLocalAnnounce,
  LOCAL_HASHES_MAX,
} from '../../../src/wire/local-announce.ts'

const HASH = new Uint8Array(20).fill(7)

export default {
  name: 'local-announce',

  seeds: (): Uint8Array[] => [
    encodeLocalAnnounce('v4', { port: 6881, infoHashes: [HASH], cookie: 'abcdef' }),
    encodeLocalAnnounce('v6', { port: 1, infoHashes: [HASH, HASH], cookie: undefined }),
  ],

  run(bytes: Uint8Array): void {
    const decoded = decodeLocalAnnounce(bytes)
    if (!decoded.ok) return
    const { port, infoHashes, cookie } = decoded.value
    assert(port > 0 && port < 65_536 && infoHashes.length <= LOCAL_HASHES_MAX, 'what is read is bounded')
    assert((cookie?.length ?? 0) <= 64, 'cookies are short')
    const again = decodeLocalAnnounce(encodeLocalAnnounce('v4', { port, infoHashes, cookie: undefined }))
    assert(again.ok && isDeepStrictEqual(again.value.infoHashes, infoHashes), 'what was read can be written')
  },
}
