/** S10: a hybrid torrent whose halves disagree is an error of the torrent, and no peer is blamed for it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type BencodedDictionary, bdecode, bencode, rawMember } from '../kit/bencode.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { runShoal } from '../kit/shoal.ts'
import { stage, startGet } from '../kit/stage.ts'
import { torrentFixture, torrentFrom } from '../kit/torrent-fixture.ts'

const PIECE = 32 * 1024
const LENGTHS = { 'a.bin': 3 * PIECE, 'b.bin': 2 * PIECE }

/** The v1 hashes of one content and the v2 trees of another, with names and lengths that agree. */
function chimera() {
  const v1 = torrentFixture({ files: LENGTHS, pieceLength: PIECE, format: 'hybrid', seed: 'one' })
  const v2 = torrentFixture({ files: LENGTHS, pieceLength: PIECE, format: 'hybrid', seed: 'other' })
  const info = bdecode(v2.infoBytes) as BencodedDictionary
  info.set('pieces', (bdecode(v1.infoBytes) as BencodedDictionary).get('pieces')!)
  const members = [
    bencode('info'),
    bencode(info),
    bencode('piece layers'),
    rawMember(v2.bytes, 'piece layers'),
  ]
  const bytes = Buffer.concat([Buffer.from('d'), ...members, Buffer.from('e')])
  return {
    ofV1: torrentFrom(bytes, (path) => v1.files.get(path)!),
    ofV2: torrentFrom(bytes, (path) => v2.files.get(path)!),
  }
}

test.each(['ofV1', 'ofV2'] as const)(
  'S10: content that fits one half only (%s) ends the download with the reason',
  async (half) => {
    const torrent = chimera()[half]
    const { file, target } = stage(torrent)
    const seeder = await FakePeer.listen(torrent)
    const get = startGet(file, target, { peers: [seeder] })
    const { code } = await get.exitWithin()
    expect(code).toBe(1)
    expect(get.events.items.at(-1)).toMatchObject({
      event: 'error',
      code: 'transfer/inconsistent-hybrid',
      message: expect.stringContaining('v1 and v2'),
      hint: expect.stringMatching(/\S/),
    })
    expect(get.all('piece-failed')).toEqual([])
    expect(get.all('peer-banned')).toEqual([])
    expect(get.all('piece-verified')).toEqual([])
  },
)

test('S10: content that fits neither half is the fault of its sender', async () => {
  const torrent = torrentFixture({ files: LENGTHS, pieceLength: PIECE, format: 'hybrid' })
  const { file, target } = stage(torrent)
  const liar = await FakePeer.listen(torrent, { corrupts: [0, 1, 2, 3, 4] })
  const get = startGet(file, target, { peers: [liar] })
  await get.event('peer-banned')
  expect(get.exited).toBeUndefined()
})

test('S10: halves that name other files, or other lengths, are refused and no root is shown', async () => {
  const torrent = torrentFixture({ files: LENGTHS, pieceLength: PIECE, format: 'hybrid' })
  const { root } = stage(torrent)
  for (const [what, change] of [
    ['name', (row: BencodedDictionary) => row.set('path', [Buffer.from('c.bin')])],
    ['length', (row: BencodedDictionary) => row.set('length', 3 * PIECE - 1)],
  ] as const) {
    const info = bdecode(torrent.infoBytes) as BencodedDictionary
    change((info.get('files') as BencodedDictionary[])[0]!)
    const members = [
      bencode('info'),
      bencode(info),
      bencode('piece layers'),
      rawMember(torrent.bytes, 'piece layers'),
    ]
    const file = join(root, `${what}.torrent`)
    writeFileSync(file, Buffer.concat([Buffer.from('d'), ...members, Buffer.from('e')]))
    const { code, result, stdout } = await runShoal(['info', file])
    expect(code, what).toBe(2)
    expect(result, what).toMatchObject({ event: 'error', code: 'metainfo/inconsistent-hybrid' })
    expect(stdout, what).not.toMatch(/[0-9a-f]{64}/)
  }
})
