/** `shoal locations`: which peer says that it has which pieces, as its tracker has it. */
import type { LocationsReply } from '../api/contract-peers.ts'
import { resolveInfoHash } from './catalog-source.ts'
import type { CommandContext } from './command-context.ts'
import { formatRangeList } from './event-text.ts'
import { askTracker, notFound, rowsOf } from './tracker-questions.ts'
import { formatCount } from './units.ts'

/** Ranges shown of one peer. */
const RANGES_SHOWN_MAX = 12

type Location = LocationsReply['peers'][number]

export async function run(context: CommandContext): Promise<number> {
  const { args, settings, output } = context
  const infoHash = await resolveInfoHash(args[0]!, context)
  const answer = await askTracker(settings, `/locations?info_hash=${infoHash}`).catch((error: unknown) => {
    throw notFound(error, infoHash)
  })
  const { total, peers } = rowsOf<Location>(answer, { ip: 'string', port: 'number' })
  for (const { ip, port, have, seed } of peers)
    output.event({ event: 'location', host: ip, port, have, seed }, '')
  output.table(
    [{ title: 'host' }, { title: 'port', align: 'right' }, { title: 'pieces' }],
    peers.map((location) => [location.ip, location.port, piecesOf(location)]),
  )
  const sentence =
    peers.length < total ? `${peers.length} of ${total} (sample)` : formatCount(total, 'source')
  output.event({ event: 'locations', infoHash, shown: peers.length, total }, sentence)
  return 0
}

function piecesOf({ have, seed }: Location): string {
  if (Array.isArray(have)) return have.length === 0 ? 'none' : formatRangeList(have, RANGES_SHOWN_MAX)
  return seed ? 'all' : 'unknown'
}
