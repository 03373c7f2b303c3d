/**
 * Hashes of a file's tree, down to single blocks (BEP 52): Shoal gives what libtorrent gives, byte for byte.
 */
import { expect, test } from 'vitest'
import { type BencodedDictionary, bdecode } from '../kit/bencode.ts'
import { uint32 } from '../kit/fake-connection.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { startLibtorrent } from '../kit/real-clients.ts'
import { stage, startSeed } from '../kit/stage.ts'

/** Of a file of 31 blocks in pieces of four: base layer, index, count, proof layers. */
const REQUESTS = [
  [2, 0, 8, 2],
  [0, 4, 4, 1],
  [0, 4, 4, 4],
  [0, 8, 2, 4],
  [0, 0, 8, 4],
  [0, 28, 4, 4],
  [0, 0, 32, 0],
]

test.for(['v2', 'hybrid'] as const)('%s', async (format) => {
  const { file, source, torrent } = stage({
    format,
    files: { 'a.bin': 500_001, 'b.bin': 100_000 },
    pieceLength: 65_536,
  })
  const layers = (bdecode(torrent.bytes) as BencodedDictionary).get('piece layers') as BencodedDictionary
  const [root] = [...layers].find(([, layer]) => (layer as Buffer).length === 8 * 32)!
  const seed = startSeed(file, source, { host: '127.0.0.2' })
  const endpoints = [
    await startLibtorrent({ torrent: file, dir: source, host: '127.0.0.3' }),
    await seed.readyEndpoint(),
  ]
  const told: string[][] = []
  for (const endpoint of endpoints) {
    const leecher = FakePeer.leecher(torrent, { announces: 'fast', supportsV2: true })
    const connection = await leecher.dial(endpoint)
    // A hybrid is named by its v1 hash and answered by its v2 hash, or nobody would give hashes.
    const { infoHash } = await connection.handshake()
    expect(infoHash.toString('hex')).toBe(torrent.infoHashV2!.subarray(0, 20).toString('hex'))
    const hashes: string[] = []
    for (const fields of REQUESTS) {
      const from = connection.messages.items.length
      connection.send('hash-request', Buffer.from(root, 'latin1'), ...fields.map(uint32))
      const { payload } = await connection.message('hashes', undefined, from)
      hashes.push(payload.toString('hex'))
    }
    told.push(hashes)
  }
  expect(told[1]).toEqual(told[0])
})
