/** `shoal tracker`: runs a tracker until it is told to stop. */
import { ShoalError } from '../nodejs/shoal-error.ts'
import { TrackerServer } from '../nodejs/tracker-server.ts'
import type { CommandContext } from './command-context.ts'
import { aborted } from './shutdown.ts'
import { trackerOptions } from './tracker-options.ts'
import { formatCount } from './units.ts'

export async function run(context: CommandContext): Promise<number> {
  const { settings, output, signal, words } = context
  requireSupported(context.options)
  const server = await TrackerServer.listen({
    ...trackerOptions(settings),
    onLiveness: (event) => output.event(event),
  })
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
  await server.close()
  output.event({ event: 'stopped' })
  return 0
}

/** Other stores and modes are part of the product, but not of this version. */
function requireSupported(options: Readonly<Record<string, unknown>>): void {
  const { store = 'memory', mode = 'open' } = options
  if (store !== 'memory')
    throw new ShoalError(
      'tracker/store-unsupported',
      `--store ${String(store)} is not available in this version`,
      'Use --store memory, or leave it out.',
    )
  if (mode !== 'open')
    throw new ShoalError(
      'tracker/mode-unsupported',
      `--mode ${String(mode)} is not available in this version`,
      'Use --mode open, or leave it out.',
    )
}
