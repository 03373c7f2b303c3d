/** `shoal tracker`: runs a tracker until it is told to stop. */
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { TrackerStats } from '../tracker/tracker.ts'
import type { CommandContext } from './command-context.ts'
import { aborted } from './shutdown.ts'
import { TrackerProgram } from './tracker-program.ts'
import { formatCount } from './units.ts'

export async function run(context: CommandContext): Promise<number> {
  const { output, signal, words } = context
  requireSupported(context.options)
  const program = await TrackerProgram.start(context)
  const { server } = program
  output.event({ event: 'listening', service: 'tracker', ...server.endpoint })
  if (server.udpEndpoint) output.event({ event: 'listening', service: 'udp', ...server.udpEndpoint })
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

/** Other modes are part of the product, but not of this version. */
function requireSupported(options: Readonly<Record<string, unknown>>): void {
  const { mode = 'open' } = options
  if (mode !== 'open')
    throw new ShoalError(
      'tracker/mode-unsupported',
      `--mode ${String(mode)} is not available in this version`,
      'Use --mode open, or leave it out.',
    )
}
