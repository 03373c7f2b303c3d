import { expect, test } from 'vitest'
import type { LibraryDetails } from './contract-catalog.ts'
import { formatSize } from './format-size.ts'
import { html } from './html.ts'
import { catalogPage, libraryPage } from './page-catalog.ts'

const HOSTILE = `</h1><script>alert(1)</script><img src=x onerror=alert(1)>"' onmouseover="alert(1)`

function library(rest: Partial<LibraryDetails> = {}): LibraryDetails {
  return {
    ...{ number: 1, infoHash: 'ab'.repeat(20), infoHashV2: null, name: 'Sea', description: '', tags: [] },
    ...{ publisher: 'cd'.repeat(32), publishers: 1, isFollowed: false, size: 1, files: 3, pieces: 1 },
    ...{ pieceLength: 16_384, isPrivate: false, publishedAt: 0, seeders: 1, leechers: 0, previews: [] },
    ...{ placeholder: null, sample: [], magnet: 'magnet:?', hasTorrent: false, record: '', signature: '' },
    ...rest,
  }
}

test('names, descriptions, tags, files and searches never become markup (S36)', () => {
  const hostile = library({
    ...{ name: HOSTILE, description: HOSTILE, tags: [HOSTILE], magnet: `magnet:?dn=${HOSTILE}` },
    sample: [{ path: HOSTILE, length: 1 }],
  })
  const list = { total: 1, page: 1, pages: 9, count: 1, libraries: [hostile] }
  const query = { q: HOSTILE, tag: HOSTILE, sort: 'newest', all: true }
  for (const page of [
    catalogPage(list, query),
    catalogPage({ ...list, total: 0 }, query),
    libraryPage(hostile),
  ]) {
    const text = page.toString()
    expect(text).not.toMatch(/<script|<img src=x/)
    // Outside of attribute values and text there is nothing of it: every quote of it is escaped.
    expect(text).not.toContain(`"' onmouseover`)
  }
})

test('a placeholder that is none is left out, and everything has a picture of some kind', () => {
  const preview = 'ef'.repeat(32)
  const broken = library({ placeholder: 'AA==', previews: [preview] })
  const list = { total: 1, page: 1, pages: 1, count: 1, libraries: [broken] }
  const query = { q: '', sort: 'newest', all: false }
  expect(catalogPage(list, query).toString()).toContain(`src="/api/v1/previews/${preview}"`)
  expect(catalogPage({ ...list, libraries: [library()] }, query).toString()).toContain('<svg')
  expect(catalogPage({ ...list, total: 0, libraries: [] }, query).toString()).toContain('No library yet')
})

test('parts of a template are escaped unless they came out of one', () => {
  expect(html`<b>${'<i>'}</b>${html`<i>${'&'}</i>`}${false}${undefined}${3}`.toString()).toBe(
    '<b>&lt;i&gt;</b><i>&amp;</i>3',
  )
})

test.for([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [999_600, '1.0 MB'],
  [16_384, '16 kB'],
  [2_686_202, '2.7 MB'],
] as const)('%i bytes are %s', ([bytes, text]) => {
  expect(formatSize(bytes)).toBe(text)
})
