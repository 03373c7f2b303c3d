import { describe, expect, it } from 'vitest'
import { torrentFixture } from '../../test/kit/torrent-fixture.ts'
import { instant, seconds } from '../base/time.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import { decodeHashes, type HashRequest } from '../wire/hash-messages.ts'
import { rootOfPieceLayer, verifyHashes } from '../wire/merkle.ts'
import { parseMetainfo } from '../wire/metainfo.ts'
import { MESSAGE, MessageWriter } from '../wire/peer-messages.ts'
import { HashServer } from './hash-server.ts'
import type { PeerSession } from './peer-session.ts'

/** Files of 20 and 3 pieces of two blocks, and one of a single piece. */
const FIXTURE = torrentFixture({
  format: 'v2',
  files: { a: 640_001, b: 98_304, c: 20_000 },
  pieceLength: 32_768,
})
const PARSED = parseMetainfo(new Uint8Array(FIXTURE.bytes), nodeCrypto)
if (!PARSED.ok) throw new Error(PARSED.error.message)
const [A, B, C] = PARSED.value.files
const NOW = instant(1)

/** All it needs of a session is where to write. */
function session(): PeerSession {
  return { writer: new MessageWriter() } as unknown as PeerSession
}

/** The type of the answer, and its hashes. */
function answerOf(server: HashServer, peer: PeerSession, request: HashRequest, now = NOW) {
  server.answer(now, peer, request)
  const frame = peer.writer.take()
  const decoded = decodeHashes(frame.subarray(5))
  return { type: frame[4], hashes: decoded.ok ? decoded.value.hashes : undefined }
}

const range = { baseLayer: 1, index: 0, count: 32, proofLayers: 4 }

describe('serving piece hashes', () => {
  it.each([
    ['a whole layer', { ...range }],
    ['a part with its proof', { ...range, index: 8, count: 4 }],
    ['a layer above the pieces', { ...range, baseLayer: 3, index: 4, count: 4, proofLayers: 2 }],
  ])('gives %s', (_, asked) => {
    const server = new HashServer(PARSED.value, nodeCrypto)
    const request = { root: A!.piecesRoot!, ...asked }
    const { type, hashes } = answerOf(server, session(), request)
    expect(type).toBe(MESSAGE.hashes)
    expect(verifyHashes(request.root, 40, request, hashes!, nodeCrypto)).toMatchObject({ ok: true })
  })

  it.each([
    ['hashes of blocks', { ...range, baseLayer: 0 }, A],
    ['hashes of a file of one piece', { ...range, count: 2, proofLayers: 0 }, C],
    ['what is not in the tree', { ...range, index: 32 }, A],
    ['what is not in the smaller tree', { ...range }, B],
    ['more than a request may have', { ...range, count: 1024 }, A],
  ])('refuses %s', (_, asked, file) => {
    const server = new HashServer(PARSED.value, nodeCrypto)
    const { type, hashes } = answerOf(server, session(), { root: file!.piecesRoot!, ...asked })
    expect(type).toBe(MESSAGE.hashReject)
    expect(hashes).toHaveLength(0)
  })

  it('refuses roots of other torrents', () => {
    const server = new HashServer(PARSED.value, nodeCrypto)
    expect(answerOf(server, session(), { root: new Uint8Array(32), ...range }).type).toBe(MESSAGE.hashReject)
  })

  it('answers from the trees of large files again and again', () => {
    const layer = new Uint8Array(32 * 2000).map((_, at) => at % 251)
    const files = [1, 2, 3].map((seed) => {
      const pieceLayer = layer.map((byte) => byte ^ seed)
      const piecesRoot = rootOfPieceLayer(pieceLayer, 32_768, nodeCrypto)
      return { ...A!, length: 2000 * 32_768, pieceLayer, piecesRoot }
    })
    const server = new HashServer({ ...PARSED.value, files }, nodeCrypto)
    for (let round = 0; round < 3; round++)
      for (const [index, { piecesRoot: root }] of files.entries()) {
        const request = { root, baseLayer: 1, index: 512 * index, count: 512, proofLayers: 10 }
        const { hashes } = answerOf(server, session(), request)
        expect(verifyHashes(root, 4000, request, hashes!, nodeCrypto)).toMatchObject({ ok: true })
      }
  })

  it('refuses a flood, and answers again after a while; others are not concerned', () => {
    const server = new HashServer(PARSED.value, nodeCrypto)
    const peer = session()
    const request = { root: A!.piecesRoot!, ...range, baseLayer: 1, count: 32 }
    const types = Array.from({ length: 2000 }, () => answerOf(server, peer, request).type)
    const answeredCount = types.filter((type) => type === MESSAGE.hashes).length
    // 20 hashes are hashed and 32 given, a tenth of a full answer.
    expect(answeredCount).toBeGreaterThan(600)
    expect(answeredCount).toBeLessThan(650)
    expect(answerOf(server, session(), request).type).toBe(MESSAGE.hashes)
    expect(answerOf(server, peer, request, instant(NOW + seconds(2))).type).toBe(MESSAGE.hashes)
  })
})
