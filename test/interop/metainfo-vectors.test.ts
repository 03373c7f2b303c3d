/**
 * What libtorrent loads and refuses: the vectors, and mutations of them, side by side with Shoal's reader.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import { type Metainfo, parseMetainfo } from '../../src/wire/metainfo.ts'
import { inputsFor } from '../fuzz/fuzzer.ts'
import { temporaryFolder } from '../kit/clean-up.ts'
import { type LibtorrentView, libtorrentHashes } from '../kit/real-clients.ts'
import type { MetainfoVector } from '../vectors/make-metainfo.ts'

const VECTORS = join(import.meta.dirname, '../vectors/metainfo')
const vectors = JSON.parse(readFileSync(join(VECTORS, 'index.json'), 'utf8')) as MetainfoVector[]

/** Codes for what is refused here though libtorrent loads it, each with its reason in the index. */
const STRICTER = new Set(vectors.flatMap(({ fault, libtorrent }) => (libtorrent === 'loads' ? [fault] : [])))

const SEED = 52
const MUTATION_COUNT = 6000

test('every vector says truly what libtorrent makes of it', () => {
  const views = libtorrentHashes(vectors.map(({ file }) => join(VECTORS, file)))
  const wrong = vectors.filter(
    ({ libtorrent }, i) => (views[i]!.error === undefined) !== (libtorrent === 'loads'),
  )
  expect(wrong).toEqual([])
  for (const [i, { file, fault }] of vectors.entries())
    if (fault === null) expectSame(file, parse(readFileSync(join(VECTORS, file))), views[i]!)
})

test('mutated torrents load in both or in neither, with the same infohashes', () => {
  const seeds = vectors
    .filter(({ fault }) => fault === null)
    .map(({ file }) => new Uint8Array(readFileSync(join(VECTORS, file))))
  const inputs = inputsFor({ name: 'beside-libtorrent', seeds: () => seeds, run: () => undefined }, SEED)
  const folder = temporaryFolder()
  const mutations = Array.from({ length: MUTATION_COUNT }, (_, i) => {
    const bytes = inputs.next().value as Uint8Array
    const path = join(folder, `${i}.torrent`)
    writeFileSync(path, bytes)
    return { bytes, path }
  })
  const views = libtorrentHashes(mutations.map(({ path }) => path))
  let bothLoad = 0
  for (const [i, { bytes }] of mutations.entries()) {
    const ours = parseMetainfo(bytes, nodeCrypto)
    const what = Buffer.from(bytes).toString('latin1')
    if (!ours.ok) {
      if (views[i]!.error === undefined) expect(STRICTER, what).toContain(ours.error.code)
      continue
    }
    expect(views[i]!.error, what).toBeUndefined()
    expectSame(what, ours.value, views[i]!)
    bothLoad++
  }
  expect(bothLoad).toBeGreaterThan(100)
})

function expectSame(what: string, ours: Metainfo, theirs: LibtorrentView): void {
  const hex = (hash: Uint8Array | null) => (hash === null ? null : Buffer.from(hash).toString('hex'))
  const isReadAsV2 = ours.warnings.some(({ code }) => code === 'metainfo/missing-pieces')
  expect({ v1: hex(ours.infoHashV1), v2: hex(ours.infoHashV2), pieces: ours.pieceCount }, what).toEqual({
    v1: isReadAsV2 ? null : theirs.v1,
    v2: theirs.v2,
    pieces: theirs.pieces,
  })
  expect(
    ours.files.filter(({ isPad }) => !isPad).map(({ length }) => length),
    what,
  ).toEqual(theirs.files.map(({ length }) => length))
}

function parse(bytes: Uint8Array): Metainfo {
  const metainfo = parseMetainfo(new Uint8Array(bytes), nodeCrypto)
  if (!metainfo.ok) throw new Error(metainfo.error.code)
  return metainfo.value
}
