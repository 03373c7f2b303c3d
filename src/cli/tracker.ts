/** `shoal tracker`: runs a tracker until it is told to stop. */
import { keepYoungSpaceSmall } from '../nodejs/heap-growth.ts'
import type { TrackerStats } from '../tracker/tracker.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import type { CommandContext } from './command-context.ts'
import { dialable } from './peer-address.ts'
import { aborted } from './shutdown.ts'
import { TrackerProgram } from './tracker-program.ts'
import { formatCount } from './units.ts'

export async function run(context: CommandContext): Promise<number> {
  const { output, signal, words } = context
  const program = await TrackerProgram.start(context)
  keepYoungSpaceSmall()
  const { server } = program
  const { host, port } = server.endpoint
  const api = `http://${formatEndpoint({ host: dialable(server.endpoint).host, port })}/api/v1`
  output.event({ event: 'listening', service: 'tracker', host, port, api })
  output.text(`API ${api}`)
  if (server.udpEndpoint) output.event({ event: 'listening', service: 'udp', ...server.udpEndpoint })
  const { newToken } = program.services.access
  if (newToken !== undefined)
    output.event(
      { event: 'admin-token', token: newToken },
      `token of the operator, shown this once: ${newToken}`,
    )
  words.listen([
    {
      word: 'status',
      about: 'swarms, peers and requests so far',
      run: () => {
        const stats = server.stats()
        output.event({ event: 'tracker-status', ...stats }, sentenceOf(stats))
      },
    },
  ])
  await aborted(signal)
  await program.close()
  output.event({ event: 'stopped' })
  return 0
}

function sentenceOf({ swarms, peers, announces }: TrackerStats): string {
  const asked = `${formatCount(announces, 'announce')} so far`
  if (swarms === null || peers === null) return `swarms are in Redis; ${asked}`
  return `${formatCount(swarms, 'swarm')}, ${formatCount(peers, 'peer')}, ${asked}`
}
