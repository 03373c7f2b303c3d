import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { fromLatin1 } from '../base/text.ts'
import { MemoryStore } from '../nodejs/memory-store.ts'
import { loadPublisherKey, type PublisherKey, verifyPublisher } from '../nodejs/publisher-key.ts'
import { encodeBencode } from '../wire/bencode.ts'
import { encodeCatalogRecord, encodeWithdrawal, signedBytes } from '../wire/catalog-record.ts'
import { CatalogService } from './catalog-service.ts'

let folder = ''
let key: PublisherKey
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-catalog-'))
  key = loadPublisherKey(join(folder, 'deep', 'publisher.pem'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const sha = (name: string, bytes: Uint8Array) => new Uint8Array(createHash(name).update(bytes).digest())

function open(store = new MemoryStore()): Promise<CatalogService> {
  const counts = () => ({ seeders: 0, leechers: 0, completed: 0 })
  return CatalogService.open({ store, tracker: { counts }, now: () => 1, follows: new Set() })
}

const INFO = encodeBencode({ length: 5, name: 'a', 'piece length': 16_384, pieces: new Uint8Array(20) })
const TORRENT = fromLatin1(`d4:info${Buffer.from(INFO).toString('latin1')}e`)
const PICTURE = fromLatin1('\x89PNG\r\n\x1a\n and more')

function signed(previews: readonly Uint8Array[] = [], sequence = 1) {
  const bytes = encodeCatalogRecord({
    ...{ publisher: key.publicKey, sequence, name: 'a', description: '', tags: [] },
    ...{ infoHashV1: sha('sha1', INFO), infoHashV2: null, pieceLength: 16_384, pieceCount: 1, size: 5 },
    ...{ fileCount: 1, sample: [], previews: previews.map((picture) => sha('sha256', picture)) },
    ...{ placeholder: null, isPrivate: false },
  })
  return { bytes, signature: key.sign(signedBytes(bytes)) }
}

test('what is alive makes no room, also where counts come later from a store that others share', async () => {
  const record = (name: string, infoHashV1: Uint8Array) => {
    const bytes = encodeCatalogRecord({
      ...{
        publisher: key.publicKey,
        sequence: 1,
        name,
        description: '',
        tags: [],
        infoHashV1,
        infoHashV2: null,
      },
      ...{ pieceLength: 16_384, pieceCount: 1, size: 5, fileCount: 1, sample: [], previews: [] },
      ...{ placeholder: null, isPrivate: false },
    })
    return { bytes, signature: key.sign(signedBytes(bytes)) }
  }
  const alive = new Uint8Array(20).fill(1)
  const counts = async (infoHash: Uint8Array) => ({
    ...{ seeders: toHex(infoHash) === toHex(alive) ? 1 : 0, leechers: 0, completed: 0 },
  })
  const options = { store: new MemoryStore(), tracker: { counts }, now: () => 1, follows: new Set<string>() }
  const service = await CatalogService.open({ ...options, entriesMax: 2 })
  await service.publish(record('alive', alive), [])
  await service.publish(record('dead', new Uint8Array(20).fill(2)), [])
  expect((await service.publish(record('new', new Uint8Array(20).fill(3)), [])).ok).toBe(true)
  expect([...service.catalog.entries()].map(({ number }) => number)).toEqual([1, 3])
})

describe('pictures (S45)', () => {
  const id = toHex(sha('sha256', PICTURE))

  test('are kept when the record names them, and go with it', async () => {
    const service = await open()
    const published = await service.publish(signed([PICTURE]), [PICTURE])
    expect(published.ok).toBe(true)
    expect(await service.preview(id)).toEqual(PICTURE)
    const withdrawal = key.sign(encodeWithdrawal(signed([PICTURE]).bytes))
    const entry = service.catalog.find('1')!
    expect((await service.withdraw(entry, toHex(key.publicKey), new Uint8Array(64))).ok).toBe(false)
    expect(await service.withdraw(entry, toHex(key.publicKey), withdrawal)).toEqual({ ok: true, value: true })
    expect(await service.withdraw(entry, toHex(key.publicKey), withdrawal)).toEqual({
      ok: true,
      value: false,
    })
    expect(await service.preview(id)).toBeUndefined()
  })

  test('a newer record that names others lets go of the first', async () => {
    const other = fromLatin1('\xff\xd8\xff another')
    const service = await open()
    await service.publish(signed([PICTURE]), [PICTURE])
    await service.publish(signed([other], 2), [other])
    expect(await service.preview(id)).toBeUndefined()
    expect(await service.preview(toHex(sha('sha256', other)))).toEqual(other)
  })

  test('the same record again keeps them', async () => {
    const service = await open()
    for (let i = 0; i < 3; i++) await service.publish(signed([PICTURE]), i === 0 ? [PICTURE] : [])
    expect(await service.preview(id)).toEqual(PICTURE)
  })

  test('what is no picture, too large, or not named, is not taken', async () => {
    const service = await open()
    const svg = fromLatin1('<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>')
    const large = new Uint8Array(LIMITS.catalogPreviewBytesMax.value + 1)
    large.set(PICTURE)
    for (const bad of [svg, large])
      expect(await service.publish(signed([bad]), [bad])).toMatchObject({
        error: { code: 'catalog/bad-preview' },
      })
    expect((await service.publish(signed(), [PICTURE])).ok).toBe(true)
    expect(await service.preview(id)).toBeUndefined()
  })
})

test('a .torrent is kept when it is that of the record', async () => {
  const service = await open()
  await service.publish(signed(), [])
  const entry = service.catalog.find('1')!
  for (const wrong of [fromLatin1('de'), fromLatin1('no bencode'), fromLatin1('d4:infod1:ai1eee')])
    expect(service.keepTorrent(entry, wrong)).toMatchObject({ error: { code: 'catalog/wrong-torrent' } })
  expect(service.keepTorrent(entry, TORRENT).ok).toBe(true)
  expect(await service.torrent(entry)).toEqual(TORRENT)
})

test('everything is there again when the store is opened again', async () => {
  const store = new MemoryStore()
  const first = await open(store)
  await first.publish(signed([PICTURE]), [PICTURE])
  first.keepTorrent(first.catalog.find('1')!, TORRENT)
  store.put('libraries', 'damaged', fromLatin1('no entry'))
  const second = await open(store)
  const entry = second.catalog.find('1')!
  expect(second.catalog.size).toBe(1)
  expect(await second.torrent(entry)).toEqual(TORRENT)
  expect(await second.preview(toHex(sha('sha256', PICTURE)))).toEqual(PICTURE)
  expect(second.catalog.lastNumber).toBe(1)
})

test('two that share a store give no number twice, and both are sources of one library', async () => {
  const store = new MemoryStore()
  const [a, b] = [await open(store), await open(store)]
  const { number } = await published(a, signed())
  expect(number).toBe(1)
  // The store told `b` nothing: it hears of it when it writes.
  const first = key
  key = loadPublisherKey(join(folder, 'second.pem'))
  const second = await published(b, signed())
  expect([second.number, second.sources.length]).toEqual([1, 2])
  const withdrawal = key.sign(encodeWithdrawal(signed().bytes))
  expect(await a.withdraw(a.catalog.find('1')!, toHex(key.publicKey), withdrawal)).toEqual({
    ok: true,
    value: true,
  })
  expect(a.catalog.find('1')!.sources.map(({ publisher }) => publisher)).toEqual([toHex(first.publicKey)])
})

test('numbers go on from the last one anybody here knows when the store lost it', async () => {
  const store = new MemoryStore()
  const [a, b] = [await open(store), await open(store)]
  await published(a, signed())
  store.delete('libraries', a.catalog.find('1')!.id)
  expect((await published(b, signed([], 2))).number).toBe(2)
  store.delete('catalog', 'last-number')
  store.delete('libraries', b.catalog.find('2')!.id)
  expect((await published(b, signed([], 3))).number).toBe(3)
})

test('a store that fails leaves the catalog as it was', async () => {
  const store = new MemoryStore()
  const service = await open(store)
  await published(service, signed())
  const { swap } = store
  store.swap = () => Promise.reject(new Error('away'))
  await expect(service.publish(signed([], 5), [])).rejects.toThrow('away')
  expect(service.catalog.find('1')!.sources[0]!.record.sequence).toBe(1)
  const withdrawal = key.sign(encodeWithdrawal(signed().bytes))
  await expect(
    service.withdraw(service.catalog.find('1')!, toHex(key.publicKey), withdrawal),
  ).rejects.toThrow('away')
  expect(service.catalog.size).toBe(1)
  store.swap = swap
  expect((await published(service, signed([], 6))).number).toBe(1)
})

async function published(service: CatalogService, one: ReturnType<typeof signed>) {
  const result = await service.publish(one, [])
  return result.ok ? result.value.entry : expect.fail(result.error.code)
}

describe('the key of a publisher', () => {
  test('is made once, for its owner alone, and signs what can be checked', () => {
    const file = join(folder, 'deep', 'publisher.pem')
    const again = loadPublisherKey(file)
    expect(again.publicKey).toEqual(key.publicKey)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const message = fromLatin1('hello')
    const signature = again.sign(message)
    expect(verifyPublisher(key.publicKey, message, signature)).toBe(true)
    expect(verifyPublisher(key.publicKey, fromLatin1('hullo'), signature)).toBe(false)
    expect(verifyPublisher(new Uint8Array(32), message, signature)).toBe(false)
    expect(verifyPublisher(new Uint8Array(3), message, signature)).toBe(false)
  })

  test('a file that holds none is not written over', () => {
    const file = join(folder, 'other.pem')
    writeFileSync(file, 'something else')
    expect(() => loadPublisherKey(file)).toThrow(expect.objectContaining({ code: 'catalog/bad-key' }))
  })
})
