/** `shoal tracker`: runs a tracker until it is told to stop. */
import { ShoalError } from '../nodejs/shoal-error.ts'
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
        const sentence = `${formatCount(stats.swarms, 'swarm')}, ${formatCount(stats.peers, 'peer')}, ${formatCount(stats.announces, 'announce')}`
        output.event({ event: 'tracker-status', ...stats }, sentence)
      },
    },
  ])
  await aborted(signal)
  await program.close()
  output.event({ event: 'stopped' })
  return 0
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
