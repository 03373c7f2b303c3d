/** `shoal ls`: the catalog of a tracker, one row for each library. */
import type { LibraryPage, LibraryRow } from '../nodejs/catalog-client.ts'
import { openCatalog } from './catalog-source.ts'
import type { CommandContext } from './command-context.ts'
import type { Output } from './output.ts'
import { formatBytes, formatCount } from './units.ts'

interface ListOptions {
  readonly all?: boolean
  readonly sort?: string
  readonly tag?: string
  readonly publisher?: string
  readonly page?: number
}

export async function run({ args, options, settings, output }: CommandContext): Promise<number> {
  const { all = false, sort, tag, publisher, page = 1 } = options as ListOptions
  const catalog = openCatalog(settings)
  const follow = settings.follow.join(',')
  const found = await catalog.list({ q: args.join(' '), all, sort, tag, publisher, page, follow })
  showLibraries(found, output, catalog.base)
  const { total, pages, rows } = found
  output.event({ event: 'libraries', tracker: catalog.base, count: rows.length, total, page, pages }, '')
  return 0
}

/** A line that counts them, and a table; with `--json` one event for each. */
export function showLibraries({ rows, total, page, pages }: LibraryPage, output: Output, base: string): void {
  const part = pages > 1 ? `, page ${page} of ${pages}` : ''
  output.text(`${formatCount(total, 'library', 'libraries')} at ${base}${part}`)
  for (const row of rows) output.event({ event: 'library', ...row }, '')
  if (rows.length === 0) return
  output.table(
    [
      { title: '#', align: 'right' },
      { title: 'name', isFlexible: true },
      { title: 'size', align: 'right' },
      { title: 'files', align: 'right' },
      { title: 'pieces', align: 'right' },
      { title: 'seeders', align: 'right' },
      { title: 'leechers', align: 'right' },
    ],
    rows.map((row) => [
      row.number,
      nameOf(row),
      formatBytes(row.size),
      row.files,
      row.pieces,
      row.seeders,
      row.leechers,
    ]),
  )
}

function nameOf({ name, isFollowed, tags }: LibraryRow): string {
  return [isFollowed ? '* ' : '', name, tags.length > 0 ? `  (${tags.join(', ')})` : ''].join('')
}
