/** `shoal peers`: who is in a swarm, as its tracker has it. */
import type { PeersReply } from '../api/contract-peers.ts'
import { resolveInfoHash } from './catalog-source.ts'
import type { CommandContext } from './command-context.ts'
import { askTracker, notFound, rowsOf } from './tracker-questions.ts'
import { formatCount } from './units.ts'

const ROW = { peer_id: 'string', hostaddr: 'string', port: 'number', client: 'string' } as const

export async function run(context: CommandContext): Promise<number> {
  const { args, options, settings, output } = context
  const infoHash = args[0] === undefined ? undefined : await resolveInfoHash(args[0], context)
  const query = new URLSearchParams({
    ...(infoHash !== undefined && { info_hash: infoHash }),
    ...(options.all === true && { all: 'true' }),
  })
  const answer = await askTracker(settings, `/peers?${query}`).catch((error: unknown) => {
    throw notFound(error, infoHash ?? '')
  })
  const { total, peers } = rowsOf<PeersReply['peers'][number]>(answer, ROW)
  for (const { peer_id, hostaddr, port, client, seed, reach } of peers)
    output.event({ event: 'peer', peerId: peer_id, host: hostaddr, port, client, seed, reach }, '')
  if (peers.length > 0)
    output.table(
      [
        { title: 'id', isFlexible: true },
        { title: 'host' },
        { title: 'port', align: 'right' },
        { title: 'client', isFlexible: true },
        { title: '', isOptional: true },
      ],
      peers.map(({ peer_id, hostaddr, port, client, seed, reach }) => [
        peer_id,
        hostaddr,
        port,
        client,
        [seed && 'seed', reach === 'unreachable' && reach].filter(Boolean).join(', '),
      ]),
    )
  const isSample = peers.length < total
  const sentence = isSample ? `${peers.length} of ${total} (sample)` : formatCount(total, 'peer')
  output.event({ event: 'peers', infoHash, shown: peers.length, total, isSample }, sentence)
  return 0
}
