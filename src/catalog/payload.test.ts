import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { Prng } from '../base/prng.ts'
import { encodeUtf8 } from '../base/text.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import { parseMetainfo } from '../wire/metainfo.ts'
import { encodeMetainfo } from '../wire/metainfo-writer.ts'
import { chunkDigests, chunkHashes, payloadBytes, payloadText, payloadTorrent, rootHash } from './payload.ts'

const idOf = (text: string) => payloadTorrent(encodeUtf8(text), nodeCrypto).id
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

test('the id of a string never changes', () => {
  expect(['', 'a', 'asdaqwerzxcv', 'žluťoučký kůň 🐎', 'x'.repeat(40_000)].map(idOf)).toMatchInlineSnapshot(`
    [
      "82ce4a1c748cfb979c40037d40f751b18806e9c92349492c0c5091654aa387a1",
      "ba67ec9879da27111faee72db5c53c1ba549edd2f1188b15b8c941e06e068a2c",
      "495df492b1952700d0173b21cd53f09c79226db1ec5a1e40c4296f3f6e6fe293",
      "a271490794de4cdba29850f9ba40dd7ddba3e7898bc51cd7338005069084a8da",
      "d3ab794e1fceaefc6adf62944e3daad09940e39a0f83d4f0ff268490807c148b",
    ]
  `)
})

test('its torrent can be read, and has the id as infohash', () => {
  for (const text of ['a', 'x'.repeat(16_384), 'x'.repeat(16_385), '🐎'.repeat(100_000)]) {
    const { id, infoHash, name, info } = payloadTorrent(encodeUtf8(text), nodeCrypto)
    const parsed = parseMetainfo(encodeMetainfo(info, {}), nodeCrypto)
    if (!parsed.ok) throw new Error(parsed.error.message)
    const { infoHashV1, infoHashV2, isSingleFile, contentLength, pieceLength } = parsed.value
    expect(Buffer.from(infoHashV2!).toString('hex')).toBe(id)
    expect(Buffer.from(infoHashV1!).toString('hex')).toBe(infoHash)
    expect({ isSingleFile, contentLength, pieceLength, name: parsed.value.name }).toEqual({
      isSingleFile: true,
      contentLength: Buffer.byteLength(text),
      pieceLength: 16_384,
      name,
    })
  }
})

test('10,000 random strings and the permutations of one have different ids', () => {
  const prng = new Prng(7)
  const texts = new Set<string>()
  while (texts.size < 10_000)
    texts.add(
      Array.from({ length: 32 + prng.below(68) }, () => String.fromCharCode(97 + prng.below(26))).join(''),
    )
  for (const text of permutations('abcdefg')) texts.add(text)
  expect(new Set([...texts].map(idOf)).size).toBe(texts.size)
})

test('chunks are of four characters, whatever their bytes; hashes are those of anybody who computes them', () => {
  const text = 'žluť🐎🐎🐎🐎koně!'
  const digests = chunkDigests(encodeUtf8(text), nodeCrypto)
  const expected = ['žluť', '🐎🐎🐎🐎', 'koně', '!'].map(sha256)
  expect(chunkHashes(digests)).toEqual(expected)
  expect(rootHash(digests, nodeCrypto)).toBe(sha256(expected.join('')))
  expect(chunkHashes(chunkDigests(new Uint8Array(0), nodeCrypto))).toEqual([])
})

test('what is too long or no text is refused', () => {
  const most = LIMITS.payloadBytesMax.value
  expect(payloadBytes('x'.repeat(most)).ok).toBe(true)
  expect(payloadBytes('x'.repeat(most + 1))).toMatchObject({ error: { code: 'payload/too-large' } })
  expect(payloadBytes('ž'.repeat(most / 2 + 1))).toMatchObject({ error: { code: 'payload/too-large' } })
  expect(payloadBytes('\ud800')).toMatchObject({ error: { code: 'payload/not-text' } })
  expect(payloadBytes('🐎')).toMatchObject({ ok: true })
  expect(payloadText(Uint8Array.of(0xff))).toMatchObject({ error: { code: 'payload/not-text' } })
})

function* permutations(text: string, head = ''): Generator<string> {
  if (text === '') yield head
  for (let i = 0; i < text.length; i++)
    yield* permutations(text.slice(0, i) + text.slice(i + 1), head + text[i])
}
