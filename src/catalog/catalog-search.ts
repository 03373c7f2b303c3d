/**
 * Finding libraries: words that must all occur in name, description or tags, a tag, a publisher; sorted, and
 * cut into pages. Publishers who are followed come first whatever the order, so that copies and
 * fakes, however many, stand behind them (S32).
 * Equal rows keep the order of their numbers, so that pages do not overlap.
 */
import type { Catalog, CatalogEntry, CatalogSource } from './catalog.ts'

export const SORTS = ['newest', 'number', 'name', 'size', 'files', 'seeders'] as const
export type CatalogSort = (typeof SORTS)[number]

export interface CatalogQuery {
  readonly text: string
  readonly tag?: string | undefined
  /** Hex. */
  readonly publisher?: string | undefined
  readonly follows: ReadonlySet<string>
  readonly sort: CatalogSort
  /** Also what nobody has any more (L17). */
  readonly all: boolean
  /** From 1. */
  readonly page: number
  readonly limit: number
}

export interface LiveCounts {
  readonly seeders: number
  readonly leechers: number
}

export interface FoundRow extends LiveCounts {
  readonly entry: CatalogEntry
  readonly source: CatalogSource
  readonly isFollowed: boolean
}

interface SortedRow extends FoundRow {
  /** Folded once, since a row is compared many times; empty where the order is another. */
  readonly sortName: string
}

export interface Found {
  readonly rows: readonly FoundRow[]
  /** Of all pages. */
  readonly total: number
}

export function searchCatalog(
  catalog: Catalog,
  query: CatalogQuery,
  countsOf: (source: CatalogSource) => LiveCounts,
): Found {
  const words = fold(query.text)
    .split(' ')
    .filter((word) => word !== '')
  const rows: SortedRow[] = []
  const wantsNames = query.sort === 'name'
  for (const entry of catalog.entries()) {
    const source = catalog.recordOf(entry, query.follows)
    if (!matches(source, entry, query, words)) continue
    const counts = countsOf(source)
    if (!query.all && counts.seeders === 0) continue
    const sortName = wantsNames ? fold(source.record.name) : ''
    rows.push({ entry, source, isFollowed: query.follows.has(source.publisher), ...counts, sortName })
  }
  const order = ORDERS[query.sort]
  rows.sort(
    (a, b) => Number(b.isFollowed) - Number(a.isFollowed) || order(a, b) || a.entry.number - b.entry.number,
  )
  const start = (query.page - 1) * query.limit
  return { rows: rows.slice(start, start + query.limit), total: rows.length }
}

function matches(
  { record, publisher }: CatalogSource,
  entry: CatalogEntry,
  query: CatalogQuery,
  words: readonly string[],
): boolean {
  if (query.publisher !== undefined && !entry.sources.some((source) => source.publisher === query.publisher))
    return false
  if (query.tag !== undefined) {
    const tag = fold(query.tag)
    if (!record.tags.some((own) => fold(own) === tag)) return false
  }
  if (words.length === 0) return true
  const text = fold(`${record.name} ${record.description} ${record.tags.join(' ')} ${publisher}`)
  return words.every((word) => text.includes(word))
}

/** So that capitals, and ways to write the same letter, make no difference. */
export function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase()
}

const ORDERS: Readonly<Record<CatalogSort, (a: SortedRow, b: SortedRow) => number>> = {
  newest: (a, b) => b.entry.number - a.entry.number,
  number: (a, b) => a.entry.number - b.entry.number,
  name: (a, b) => compareText(a.sortName, b.sortName),
  size: (a, b) => b.source.record.size - a.source.record.size,
  files: (a, b) => b.source.record.fileCount - a.source.record.fileCount,
  seeders: (a, b) => b.seeders - a.seeders,
}

/** By code unit: the same on every machine. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
