/**
 * Hashes messages (BEP 52) as a peer may send them to somebody who lacks piece layers: nothing but the true
 * layer ever gets in, and whatever is asked of the server is answered within bounds.
 */
import { assert } from '../../../src/base/assert.ts'
import { equalBytes } from '../../../src/base/bytes.ts'
import { LIMITS } from '../../../src/base/limits.ts'
import { instant } from '../../../src/base/time.ts'
import { nodeCrypto } from '../../../src/nodejs/node-crypto.ts'
import { LayerFetch } from '../../../src/swarm/layer-fetch.ts'
import {
  decodeHashes,
  decodeHashRequest,
  encodeHashes,
  encodeHashRequest,
  type HashRequest,
} from '../../../src/wire/hash-messages.ts'
import { HashTree } from '../../../src/wire/merkle.ts'
import { type Metainfo, parseMetainfo } from '../../../src/wire/metainfo.ts'
import { torrentFixture } from '../../kit/torrent-fixture.ts'

const WHOLE = (() => {
  const { bytes } = torrentFixture({ format: 'v2', files: { a: 180_000 }, pieceLength: 32_768 })
  const parsed = parseMetainfo(new Uint8Array(bytes), nodeCrypto)
  assert(parsed.ok, 'the fixture is a torrent')
  return parsed.value
})()
const [FILE] = WHOLE.files
const BARE: Metainfo = { ...WHOLE, files: [{ ...FILE!, pieceLayer: null }] }
const TREE = new HashTree(FILE!.pieceLayer!, 1, 11, nodeCrypto)
const PEER = 1

function asked(): { fetch: LayerFetch; requests: HashRequest[]; results: Metainfo[] } {
  const requests: HashRequest[] = []
  const results: Metainfo[] = []
  const fetch = new LayerFetch(BARE, nodeCrypto, {
    requestHashes: (_, request) => requests.push(request),
    complete: (metainfo) => results.push(metainfo),
  })
  fetch.joined(instant(0), PEER)
  return { fetch, requests, results }
}

export default {
  name: 'hash-messages',

  seeds(): Uint8Array[] {
    const [request] = asked().requests
    const hashes = TREE.answer(request!)!
    const upper = { ...request!, baseLayer: 2, count: 2, proofLayers: 1 }
    return [encodeHashes({ request: request!, hashes }), encodeHashRequest(upper), new Uint8Array(48)]
  },

  run(bytes: Uint8Array): void {
    const { fetch, results } = asked()
    const decoded = decodeHashes(bytes)
    if (decoded.ok) {
      const fault = fetch.received(instant(1), PEER, decoded.value)
      assert(fault === undefined || results.length === 0, 'a fault brings nothing')
      for (const { files } of results)
        assert(equalBytes(files[0]!.pieceLayer!, FILE!.pieceLayer!), 'only the true layer gets in')
    }
    if (bytes.length < 48) return
    const request = decodeHashRequest(bytes.subarray(0, 48))
    if (request.count > LIMITS.hashesPerRequestMax.value) return
    const answer = TREE.answer(request)
    assert(answer === undefined || answer.length <= 32 * (request.count + 64), 'an answer is bounded')
  },
}
