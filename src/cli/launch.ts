/**
 * `shoal launch`: several independent peers in one command, one for each folder, each with its
 * own port and id. The first is seed-only. They know one another's addresses from the start, so
 * they also meet without a tracker.
 */
import { statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { withOwnLayers } from '../nodejs/own-layers.ts'
import type { PeerNode } from '../nodejs/peer-node.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { TorrentTask } from '../nodejs/torrent-task.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { CommandContext } from './command-context.ts'
import { dialable } from './peer-address.ts'
import { resolvePeers } from './peer-options.ts'
import { addMagnet, firstFailure, peerWords, planOf, startNode, torrentOptions } from './peer-run.ts'
import { aborted } from './shutdown.ts'
import { readTorrent, torrentsIn } from './torrent-source.ts'

interface LaunchOptions {
  readonly torrent?: string
  readonly exit?: boolean
}

interface LaunchedPeer {
  readonly name: string
  readonly dir: string
  readonly metainfo: Metainfo
  readonly node: PeerNode
}

export async function run(context: CommandContext): Promise<number> {
  const { output, settings, signal, words } = context
  const { torrent, exit = false } = context.options as LaunchOptions
  // Everything is read before anything listens: a mistake in the last folder must not leave peers behind.
  const plans = context.args.map((dir, i) => ({
    dir,
    name: nameOf(dir, i, context.args),
    metainfo: readTorrent(torrent ?? onlyTorrentIn(dir), output),
  }))
  for (const plan of plans) plan.metainfo = await withOwnLayers(plan.metainfo, plan.dir, signal)
  const named = await resolvePeers(settings.peer)
  const launched: LaunchedPeer[] = []
  let isComplete = false
  try {
    for (const plan of plans)
      launched.push({
        ...plan,
        node: await startNode(context, {
          node: plan.name,
          portOffset: launched.length,
          endsWhenComplete: exit,
        }),
      })
    launched.forEach(({ dir, name, node }, i) => {
      const role = i === 0 ? 'seed-only' : 'download'
      const address = formatEndpoint(dialable(node.endpoint))
      output.event({ event: 'launched', node: name, dir, address, peerId: node.peerId, role })
    })
    words.listen(peerWords(context, () => launched))
    const join = ({ node, metainfo, dir }: LaunchedPeer): Promise<TorrentTask> => {
      const others = launched
        .filter((other) => other.node !== node)
        .map((other) => dialable(other.node.endpoint))
      const role = node === launched[0]!.node ? 'seed' : 'download'
      const plan = planOf({ metainfo, dir, role }, output)
      const peers = [...named, ...others]
      return 'magnet' in plan
        ? addMagnet(context, node, plan, peers)
        : node.add(torrentOptions(context, plan, peers))
    }
    // The seed-only one is there before the others ask for it.
    const joining = join(launched[0]!).then(async (seed) => [
      seed,
      ...(await Promise.all(launched.slice(1).map(join))),
    ])
    const tasks = await Promise.race([joining, aborted(signal)])
    const completed = tasks && completion(tasks).then(() => (isComplete = true))
    // Told to stop first, it never comes.
    completed?.catch(() => {})
    if (tasks) await Promise.race([aborted(signal), firstFailure(tasks), ...(exit ? [completed] : [])])
  } finally {
    words.close()
    await Promise.all(launched.map(({ node }) => node.stop()))
  }
  if (isComplete || !exit) return 0
  output.text('incomplete; run the same command again to go on')
  return 1
}

/** When every peer but the seed-only one is complete. */
function completion(tasks: readonly TorrentTask[]): Promise<unknown> {
  return Promise.all(tasks.slice(1).map((task) => task.done))
}

/** The folder's own name; with a number where several folders have the same. */
function nameOf(dir: string, index: number, dirs: readonly string[]): string {
  const name = basename(resolve(dir))
  const isUnique = dirs.every((other, i) => i === index || basename(resolve(other)) !== name)
  return isUnique ? name : `${name}#${index + 1}`
}

function onlyTorrentIn(dir: string): string {
  if (!statSync(dir).isDirectory())
    throw new ShoalError('input/not-a-folder', `${dir} is not a folder`, 'Name the folder of each peer.')
  const torrents = torrentsIn(dir)
  if (torrents.length === 1) return torrents[0]!
  const found = torrents.length === 0 ? 'there is no .torrent' : `there are ${torrents.length} .torrent files`
  throw new ShoalError(
    'input/no-torrents',
    `${found} in ${dir}`,
    'Put exactly one there, or name one with --torrent.',
  )
}
