import { describe, expect, test } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { type CatalogRecord, encodeCatalogRecord } from '../wire/catalog-record.ts'
import { Catalog, type CatalogOptions, type SignedRecord } from './catalog.ts'
import { type CatalogQuery, searchCatalog } from './catalog-search.ts'

const NOBODY: ReadonlySet<string> = new Set()

/** Every signature is good but one of ones. */
function newCatalog(options: Partial<CatalogOptions> = {}): Catalog {
  return new Catalog({
    verify: (_key, _message, signature) => signature[0] !== 1,
    follows: NOBODY,
    isAlive: () => false,
    ...options,
  })
}

function hash(number: number): Uint8Array {
  const bytes = new Uint8Array(20)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

function signed(publisher: number, library: number, rest: Partial<CatalogRecord> = {}): SignedRecord {
  const bytes = encodeCatalogRecord({
    publisher: new Uint8Array(32).fill(publisher),
    sequence: 1,
    name: `library ${library}`,
    description: '',
    tags: [],
    infoHashV1: hash(library),
    infoHashV2: null,
    pieceLength: 16_384,
    pieceCount: 1,
    size: library % 16_384,
    fileCount: 1,
    sample: [],
    previews: [],
    placeholder: null,
    isPrivate: false,
    ...rest,
  })
  return { bytes, signature: new Uint8Array(64) }
}

const keyOf = (publisher: number) => toHex(new Uint8Array(32).fill(publisher))

describe('publishing', () => {
  test('numbers are given in turn and never again', () => {
    const catalog = newCatalog()
    for (const library of [1, 2]) catalog.publish(0, signed(1, library))
    expect(catalog.withdraw(catalog.find('2')!, keyOf(1))).toBe(true)
    const again = catalog.publish(0, signed(1, 2))
    expect(again.ok && again.value.entry.number).toBe(3)
    expect(catalog.find('2')).toBeUndefined()
    expect(catalog.find(toHex(hash(1)))?.number).toBe(1)
  })

  test('a second publisher is a source, and the entry stays while one of them does', () => {
    const catalog = newCatalog()
    catalog.publish(0, signed(1, 7))
    const second = catalog.publish(0, signed(2, 7, { name: 'mine now' }))
    expect(second).toMatchObject({ ok: true, value: { isNew: false, entry: { number: 1 } } })
    const entry = catalog.find('1')!
    expect(catalog.recordOf(entry).record.name).toBe('library 7')
    expect(catalog.recordOf(entry, new Set([keyOf(2)])).record.name).toBe('mine now')
    expect(catalog.withdraw(entry, keyOf(1))).toBe(true)
    expect(catalog.withdraw(entry, keyOf(1))).toBe(false)
    expect(catalog.recordOf(catalog.find('1')!).record.name).toBe('mine now')
    catalog.withdraw(entry, keyOf(2))
    expect(catalog.size).toBe(0)
  })

  test('one of its hashes beside another does not take a library over', () => {
    const catalog = newCatalog()
    catalog.publish(0, signed(1, 7))
    catalog.publish(0, signed(2, 7, { infoHashV2: new Uint8Array(32).fill(9) }))
    expect(catalog.size).toBe(2)
    expect(catalog.find(toHex(hash(7)))?.number).toBe(1)
  })

  test('what was kept comes back, and two libraries never have one number', () => {
    const catalog = newCatalog()
    const kept = { number: 5, publishedAt: 1, refreshedAt: 2 }
    expect(catalog.restore(kept, [signed(1, 1)])?.number).toBe(5)
    expect(catalog.restore(kept, [signed(2, 2)])?.number).toBe(6)
    expect(catalog.restore(kept, [signed(3, 2)])).toBeUndefined()
    expect(catalog.restore(kept, [{ ...signed(4, 4), signature: new Uint8Array(3) }])).toBeUndefined()
    const next = catalog.publish(3, signed(1, 7))
    expect(next.ok && next.value.entry.number).toBe(7)
  })

  test('bad signatures, old records, and more than the quota', () => {
    const catalog = newCatalog()
    const bad = { ...signed(1, 1), signature: new Uint8Array(64).fill(1) }
    expect(catalog.publish(0, bad)).toMatchObject({ error: { code: 'catalog/bad-signature' } })
    catalog.publish(0, signed(1, 1, { sequence: 5 }))
    expect(catalog.publish(0, signed(1, 1))).toMatchObject({ error: { code: 'catalog/outdated' } })
    for (let i = 2; i <= LIMITS.catalogPerPublisherMax.value; i++) catalog.publish(0, signed(1, i))
    expect(catalog.publish(0, signed(1, 99_999))).toMatchObject({ error: { code: 'catalog/quota' } })
    expect(catalog.publish(0, signed(2, 99_999)).ok).toBe(true)
  })
})

test('when it is full, the longest silent make room; what is alive or followed stays (S32)', () => {
  const alive = new Set([toHex(hash(1))])
  const catalog = newCatalog({
    entriesMax: 4,
    follows: new Set([keyOf(9)]),
    isAlive: ({ infoHashV1 }) => alive.has(toHex(infoHashV1!)),
  })
  catalog.publish(0, signed(1, 1))
  catalog.publish(1, signed(9, 2))
  catalog.publish(2, signed(1, 3))
  catalog.publish(3, signed(1, 4))
  const numbers = () => [...catalog.entries()].map(({ number }) => number)
  catalog.publish(4, signed(2, 5))
  expect(numbers()).toEqual([1, 2, 4, 5])
  for (let i = 0; i < 50; i++) catalog.publish(5 + i, signed(3, 100 + i))
  expect(numbers().slice(0, 2)).toEqual([1, 2])
  expect(catalog.size).toBe(4)
  alive.add(toHex(hash(148))).add(toHex(hash(149)))
  expect(catalog.publish(99, signed(2, 999))).toMatchObject({ error: { code: 'catalog/full' } })
})

describe('searching', () => {
  const catalog = newCatalog()
  catalog.publish(0, signed(1, 1, { name: 'Ünder the Sea', tags: ['Blue'] }))
  catalog.publish(0, signed(2, 2, { name: 'Sea shells', description: 'found on the beach' }))
  catalog.publish(0, signed(3, 3, { name: 'Mountains' }))

  const found = (query: Partial<CatalogQuery>, seeders = (_number: number) => 1) => {
    const whole: CatalogQuery = {
      ...{ text: '', follows: NOBODY, sort: 'number', all: false, page: 1, limit: 10 },
      ...query,
    }
    const { rows, total } = searchCatalog(catalog, whole, ({ record }) => ({
      seeders: seeders(record.size),
      leechers: 0,
    }))
    return { numbers: rows.map(({ entry }) => entry.number), total }
  }

  test('all words must occur, in any case', () => {
    expect(found({ text: 'sea' }).numbers).toEqual([1, 2])
    expect(found({ text: 'SEA beach' }).numbers).toEqual([2])
    expect(found({ text: 'U\u0308NDER' }).numbers).toEqual([1])
    expect(found({ text: 'desert' }).numbers).toEqual([])
  })

  test('by tag and by publisher', () => {
    expect(found({ tag: 'blue' }).numbers).toEqual([1])
    expect(found({ publisher: keyOf(3) }).numbers).toEqual([3])
  })

  test('in order, in pages that do not overlap, followed publishers first', () => {
    expect(found({ sort: 'newest' }).numbers).toEqual([3, 2, 1])
    expect(found({ sort: 'name' }).numbers).toEqual([3, 2, 1])
    expect(found({ sort: 'size' }).numbers).toEqual([3, 2, 1])
    expect(found({ limit: 2 })).toEqual({ numbers: [1, 2], total: 3 })
    expect(found({ limit: 2, page: 2 })).toEqual({ numbers: [3], total: 3 })
    expect(found({ follows: new Set([keyOf(2)]) }).numbers).toEqual([2, 1, 3])
  })

  test('what nobody has is hidden, unless everything is wanted (L17)', () => {
    const onlySecond = (number: number) => (number === 2 ? 1 : 0)
    expect(found({}, onlySecond).numbers).toEqual([2])
    expect(found({ all: true }, onlySecond).numbers).toEqual([1, 2, 3])
  })
})
