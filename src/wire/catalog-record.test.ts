import { describe, expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { encodeUtf8 } from '../base/text.ts'
import { type BValue, encodeBencode } from './bencode.ts'
import { type CatalogRecord, decodeCatalogRecord, encodeCatalogRecord } from './catalog-record.ts'

const RECORD: CatalogRecord = {
  publisher: new Uint8Array(32).fill(1),
  sequence: 1_700_000_000_000,
  name: 'Sea',
  description: 'pictures of the sea',
  tags: ['sea', 'blue'],
  infoHashV1: new Uint8Array(20).fill(2),
  infoHashV2: new Uint8Array(32).fill(3),
  pieceLength: 16_384,
  pieceCount: 3,
  size: 40_000,
  fileCount: 2,
  sample: [{ path: 'a/b.jpg', length: 30_000 }],
  previews: [new Uint8Array(32).fill(4)],
  placeholder: new Uint8Array([1, 2, 3]),
  isPrivate: true,
}
const BARE: CatalogRecord = {
  ...RECORD,
  ...{ description: '', tags: [], infoHashV2: null, sample: [], previews: [] },
  ...{ placeholder: null, isPrivate: false },
}

test.for([RECORD, BARE])('what is written is read again', (record) => {
  const decoded = decodeCatalogRecord(encodeCatalogRecord(record))
  expect(decoded).toEqual({ ok: true, value: record })
})

describe('what is refused', () => {
  /** The bare record with these members changed; undefined takes one out. */
  const changed = (members: Record<string, BValue | undefined>) =>
    encodeBencode({
      ...{ files: 1, key: RECORD.publisher, name: 'Sea', 'piece length': 16_384, pieces: 1 },
      ...{ seq: 1, size: 100, v: 1, v1: RECORD.infoHashV1! },
      ...members,
    })

  test('nothing of this', () => expect(decodeCatalogRecord(changed({})).ok).toBe(true))

  test.for([
    ['no bencode', encodeUtf8('hello')],
    ['not canonical', encodeUtf8('d1:bi1e1:ai1ee')],
    ['another version', changed({ v: 2 })],
    ['no publisher', changed({ key: undefined })],
    ['a short key', changed({ key: new Uint8Array(31) })],
    ['no infohash', changed({ v1: undefined })],
    ['a wrong infohash', changed({ v1: new Uint8Array(19) })],
    ['no name', changed({ name: undefined })],
    ['a name of nothing but controls', changed({ name: '\u202e\u202e' })],
    ['a long name', changed({ name: 'x'.repeat(LIMITS.catalogNameMax.value + 1) })],
    ['a negative size', changed({ size: -1 })],
    ['too few pieces', changed({ size: 100_000 })],
    ['no file', changed({ files: 0 })],
    ['too many files', changed({ files: LIMITS.filesMax.value + 1 })],
    ['an empty tag', changed({ tags: [''] })],
    ['a tag that is a number', changed({ tags: [1] })],
    ['too many tags', changed({ tags: Array(LIMITS.catalogTagsMax.value + 1).fill('t') })],
    ['a picture without hash', changed({ previews: [new Uint8Array(20)] })],
    ['a sample that is no pair', changed({ sample: [['a']] })],
    ['no sequence', changed({ seq: undefined })],
    ['too long as a whole', changed({ zzz: new Uint8Array(LIMITS.catalogRecordBytesMax.value) })],
  ] as const)('%s', ([, bytes]) => {
    expect(decodeCatalogRecord(bytes)).toMatchObject({ ok: false, error: { code: 'catalog/bad-record' } })
  })

  test('but a key that a later version may have', () => {
    expect(decodeCatalogRecord(changed({ zzz: 'later' })).ok).toBe(true)
  })
})

test('text comes out without what moves the cursor or turns the line around', () => {
  const bytes = encodeCatalogRecord({ ...RECORD, name: 'cat\u202egpj.exe', description: 'a\x1b[2Jb' })
  const decoded = decodeCatalogRecord(bytes)
  expect(decoded.ok && decoded.value.name).not.toMatch(/\u202e/)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
  expect(decoded.ok && decoded.value.description).not.toMatch(/\x1b/)
})
