/**
 * The catalog as a page: a card for each library, and a sheet for one. No script; names are escaped (S36).
 */
import { thumbHashToDataURL } from 'thumbhash'
import { LIMITS } from '../base/limits.ts'
import type { Library, LibraryDetails, LibraryList } from './contract-catalog.ts'
import { formatSize } from './format-size.ts'
import { type Html, html } from './html.ts'

export interface CatalogPageQuery {
  readonly q: string
  readonly tag?: string | undefined
  readonly sort: string
  readonly all: boolean
}

const SORT_NAMES: Readonly<Record<string, string>> = {
  newest: 'newest first',
  name: 'by name',
  size: 'largest first',
  files: 'most files first',
  seeders: 'most seeders first',
}

export function catalogPage(list: LibraryList, query: CatalogPageQuery): Html {
  return html`<form class="find" method="get" action="/">
<input type="search" name="q" value="${query.q}" placeholder="Search names, descriptions, tags" aria-label="Search">
<select name="sort" aria-label="Order">${Object.entries(SORT_NAMES).map(
    ([value, name]) =>
      html`<option value="${value}"${value === query.sort && html` selected`}>${name}</option>`,
  )}</select>
<label><input type="checkbox" name="all" value="true"${query.all && html` checked`}> without seeders too</label>
<button>Search</button>
</form>
${list.total === 0 ? empty(query) : cards(list, query)}`
}

function cards(list: LibraryList, query: CatalogPageQuery): Html {
  const what = `${list.total} ${list.total === 1 ? 'library' : 'libraries'}`
  return html`<p class="result">${what}${query.tag !== undefined && html` tagged <b>${query.tag}</b>`}</p>
<ul class="cards">${list.libraries.map(card)}</ul>
${list.pages > 1 && turner(list, query)}`
}

function card(library: Library): Html {
  const { number, name, description } = library
  return html`<li class="card">
<a class="cover" href="/library/${number}" tabindex="-1" aria-hidden="true">${cover(library, library.previews[0])}</a>
<div class="body">
<h2><span class="number">${number}</span> <a href="/library/${number}">${name}</a></h2>
${description !== '' && html`<p class="about">${description}</p>`}
${tags(library)}
<p class="facts">${facts(library)}</p>
</div></li>`
}

function facts({ size, files, seeders, leechers }: Library): Html {
  return html`<span>${formatSize(size)}</span><span>${files} ${files === 1 ? 'file' : 'files'}</span>
<span class="${seeders > 0 ? 'alive' : ''}">${seeders} ${seeders === 1 ? 'seeder' : 'seeders'}</span>
<span>${leechers} ${leechers === 1 ? 'leecher' : 'leechers'}</span>`
}

function tags(library: Library): Html | undefined {
  if (library.tags.length === 0) return undefined
  return html`<div class="tags">${library.tags.map(
    (tag) => html`<a class="tag" href="/?tag=${encodeURIComponent(tag)}">${tag}</a>`,
  )}</div>`
}

/** The picture over its blurred placeholder; where there is none, a pattern of its own. */
function cover(library: Library, preview: string | undefined): Html {
  if (preview === undefined) return pattern(library.infoHash ?? library.infoHashV2 ?? '')
  const blurred = library.placeholder === null ? undefined : placeholderUrl(library.placeholder)
  return html`${blurred !== undefined && html`<img src="${blurred}" alt="">`}<img src="/api/v1/previews/${preview}" alt="" loading="lazy">`
}

/** Drawn before: each takes a millisecond. Bounded by catalogPlaceholdersKeptMax. */
const placeholderUrls = new Map<string, string | undefined>()

/** Undefined for bytes that are no ThumbHash. */
function placeholderUrl(placeholder: string): string | undefined {
  if (placeholderUrls.has(placeholder)) return placeholderUrls.get(placeholder)
  if (placeholderUrls.size >= LIMITS.catalogPlaceholdersKeptMax.value) placeholderUrls.clear()
  const url = drawPlaceholder(Buffer.from(placeholder, 'base64'))
  placeholderUrls.set(placeholder, url)
  return url
}

function drawPlaceholder(bytes: Uint8Array): string | undefined {
  try {
    return thumbHashToDataURL(bytes)
  } catch {
    return undefined
  }
}

/** Circles whose places and colours come from the infohash, so that a library can be told by its look. */
function pattern(hash: string): Html {
  const byte = (index: number) => Number.parseInt(hash.slice(index * 2, index * 2 + 2), 16) || 0
  const hue = Math.round((byte(0) / 256) * 360)
  const circles = [1, 4, 7, 10, 13].map((at, index) => {
    const shade = `hsl(${(hue + index * 14) % 360} 45% ${46 + index * 7}%)`
    return html`<circle cx="${Math.round((byte(at) / 255) * 300)}" cy="${Math.round((byte(at + 1) / 255) * 200)}" r="${30 + (byte(at + 2) % 60)}" fill="${shade}" fill-opacity=".7"/>`
  })
  return html`<svg viewBox="0 0 300 200" preserveAspectRatio="xMidYMid slice" aria-hidden="true"><rect width="300" height="200" fill="hsl(${hue} 40% 34%)"/>${circles}</svg>`
}

function empty({ q, tag }: CatalogPageQuery): Html {
  if (q !== '' || tag !== undefined)
    return html`<div class="empty"><h2>Nothing found</h2><p>Try fewer words, or <a href="/?all=true">look at everything</a>.</p></div>`
  return html`<div class="empty"><h2>No library yet</h2><p>Share a folder: <code>shoal share pictures</code></p></div>`
}

function turner({ page, pages }: LibraryList, query: CatalogPageQuery): Html {
  const link = (to: number, text: string) => {
    const entries = { ...query, tag: query.tag ?? '', all: query.all ? 'true' : '', page: String(to) }
    const parameters = new URLSearchParams(Object.entries(entries).filter(([, value]) => value !== ''))
    return html`<a href="/?${parameters.toString()}">${text}</a>`
  }
  return html`<nav class="pages" aria-label="Pages">${page > 1 && link(page - 1, '← newer')}<span>page ${page} of ${pages}</span>${page < pages && link(page + 1, 'more →')}</nav>`
}

export function libraryPage(library: LibraryDetails): Html {
  const { number, name, description, previews, hasTorrent, magnet } = library
  return html`<article class="sheet">
${previews.length > 0 && html`<div class="strip">${previews.map((preview) => html`<div class="cover">${cover(library, preview)}</div>`)}</div>`}
<div class="inside">
<h1>${name} <span class="number">${number}</span></h1>
${description !== '' && html`<p>${description}</p>`}
${tags(library)}
<p class="facts">${facts(library)}</p>
<div class="actions">
<a class="button first" href="${magnet}">Magnet link</a>
${hasTorrent && html`<a class="button" href="/api/v1/libraries/${number}/torrent" download="${number}.torrent">.torrent file</a>`}
</div>
<p>With Shoal: <code>shoal get ${number}</code></p>
<h2 class="part">Details</h2>
<table>
${library.infoHash !== null && row('infohash v1', library.infoHash)}
${library.infoHashV2 !== null && row('infohash v2', library.infoHashV2)}
${row('pieces', `${library.pieces} of ${formatSize(library.pieceLength)}`)}
${row('publisher', library.publisher)}
${library.publishers > 1 && row('also published by', `${library.publishers - 1} more`)}
${row('published', new Date(library.publishedAt).toISOString().slice(0, 16).replace('T', ' '))}
</table>
${library.sample.length > 0 && files(library)}
</div></article>`
}

function row(name: string, value: string): Html {
  return html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`
}

function files({ sample, files }: LibraryDetails): Html {
  const more = files - sample.length
  return html`<h2 class="part">Files</h2><table>${sample.map(
    ({ path, length }) => html`<tr><td>${path}</td><td class="right">${formatSize(length)}</td></tr>`,
  )}</table>${more > 0 && html`<p class="result">and ${more} more</p>`}`
}
