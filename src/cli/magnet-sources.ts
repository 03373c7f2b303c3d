/**
 * The catalog records a magnet link names (`xs`), asked in their order when peers have not given the metadata
 * soon: until then nobody but peers and trackers hears of us.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { exactSourcesOf, fetchExactSource } from '../nodejs/exact-source.ts'
import type { MagnetTask } from '../nodejs/magnet-task.ts'
import type { PeerNode } from '../nodejs/peer-node.ts'
import type { CommandContext } from './command-context.ts'
import { asShoalError } from './output.ts'
import { trackerTiers } from './peer-options.ts'

/** Peers that are there have given it by then. */
const PATIENCE_MS = 3000

/**
 * Resolves when the task has its metadata, from wherever, or nobody named by the link can
 * give it. Never rejects.
 */
export async function askExactSources(
  { settings, output, signal }: Pick<CommandContext, 'settings' | 'output' | 'signal'>,
  node: PeerNode,
  task: MagnetTask,
): Promise<void> {
  const { metainfo, exactSources = [] } = task.options
  const trackers = trackerTiers(settings, metainfo).flat()
  const sources = exactSourcesOf(exactSources, metainfo, trackers)
  if (sources.length === 0) return
  const isOver = new AbortController()
  const stop = () => isOver.abort()
  task.metadata.then(stop, stop)
  const options = {
    signal: AbortSignal.any([signal, isOver.signal]),
    localAddress: settings.host === 'all' ? undefined : settings.host,
  }
  await wait(PATIENCE_MS, undefined, { ref: false, signal: options.signal }).catch(() => {})
  for (const source of sources) {
    if (options.signal.aborted) return
    try {
      return node.learn(task, await fetchExactSource(source, metainfo, options))
    } catch (error) {
      if (!options.signal.aborted) output.warning(asShoalError(error))
    }
  }
}
