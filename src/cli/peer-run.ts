/**
 * One peer from start to stop, as `get`, `seed` and `share` run it: start the node, add the torrents, pass
 * its events on, obey console words, and leave in good order.
 * Invariant: the node is stopped whatever happens, so no socket, timer or tracker entry is left behind.
 */

import { join } from 'node:path'
import type { EarlyCheck } from '../nodejs/early-check.ts'
import { keepMetadata, keptMetadata } from '../nodejs/kept-metadata.ts'
import type { MagnetAddOptions } from '../nodejs/magnet-task.ts'
import type { PeerNode } from '../nodejs/peer-node.ts'
import type { TorrentAddOptions } from '../nodejs/torrent-settings.ts'
import type { TorrentTask } from '../nodejs/torrent-task.ts'
import type { WireEvent } from '../nodejs/wire-log.ts'
import { lacksPieceLayers } from '../swarm/layer-fetch.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { askClaims } from './claims-query.ts'
import type { CommandContext } from './command-context.ts'
import type { ConsoleWord, OtherLines } from './console-words.ts'
import type { KnownEvent } from './events.ts'
import { askExactSources } from './magnet-sources.ts'
import type { Output } from './output.ts'
import { peerNodeOptions, resolvePeers, stateFolder, trackerTiers } from './peer-options.ts'
import { aborted, heardSignals } from './shutdown.ts'
import { showPeers, showStatus } from './status-text.ts'

export interface TorrentPlan {
  readonly metainfo: Metainfo
  readonly dir: string
  readonly role: TorrentAddOptions['role']
  readonly select?: (path: readonly string[]) => boolean
  readonly isRepair?: boolean
  readonly early?: EarlyCheck
}

/** A torrent whose metadata must come from peers first. */
export interface MagnetPlan {
  readonly magnet: MagnetAddOptions
  readonly dir: string
  /** What to do with the torrent, once it is known. Throws what is wrong with it. */
  readonly plan: (metainfo: Metainfo) => TorrentPlan
}

export interface PeerPlan {
  readonly torrents: readonly (TorrentPlan | MagnetPlan)[]
  /** Ends when every torrent is complete; otherwise only when told to. */
  readonly endsWhenComplete: boolean
  /** Words beside those of every peer, and what other lines mean. */
  readonly menu?: (node: PeerNode) => {
    readonly words: readonly ConsoleWord[]
    readonly others: OtherLines
  }
  /** Called once the node listens and has its torrents. */
  readonly onStarted?: (node: PeerNode) => void
  /** Called before the node is stopped, whatever the reason. */
  readonly onEnding?: (node: PeerNode) => void
  readonly onEvent?: (event: KnownEvent) => void
}

/** Resolves once the peer was told to stop, or has done all there was to do. Throws what went wrong. */
export async function runPeer(context: CommandContext, plan: PeerPlan): Promise<void> {
  const { output, settings, signal, words } = context
  if (plan.torrents.length > 1) output.nameTorrents()
  const peers = await resolvePeers(settings.peer)
  const node = await startNode(context, plan)
  try {
    const menu = plan.menu?.(node)
    words.listen([...(menu?.words ?? []), ...peerWords(context, () => [{ node }])], menu?.others)
    // A torrent of 300,000 files has taken seconds to read, and takes as long again to be added.
    await heardSignals()
    const tasks = await addTorrents(context, node, plan.torrents, peers)
    plan.onStarted?.(node)
    const ends: Promise<unknown>[] = [aborted(signal), firstFailure(tasks)]
    if (plan.endsWhenComplete) ends.push(Promise.all(tasks.map((task) => task.done)))
    await Promise.race(ends)
  } finally {
    words.close()
    plan.onEnding?.(node)
    await node.stop()
  }
}

/**
 * In turn, because each is checked on disk first; stops early when told to. Those that peers must be asked
 * about come after that, all at once: one that nobody knows keeps no other waiting.
 */
async function addTorrents(
  context: CommandContext,
  node: PeerNode,
  torrents: readonly (TorrentPlan | MagnetPlan)[],
  peers: readonly Endpoint[],
): Promise<TorrentTask[]> {
  const tasks: TorrentTask[] = []
  for (const torrent of torrents) {
    if (context.signal.aborted) break
    if ('magnet' in torrent) continue
    // Once a torrent is there, this thread has its peers to serve.
    const usesOwnThread = tasks.length === 0
    const adding = addTorrent(context, node, torrent, peers, usesOwnThread)
    const task = await Promise.race([adding, aborted(context.signal)])
    if (task) tasks.push(task)
    else adding.catch(() => {})
  }
  const magnets = torrents.filter((torrent) => 'magnet' in torrent)
  const asking = Promise.all(magnets.map((magnet) => addMagnet(context, node, magnet, peers)))
  asking.catch(() => {})
  const added = await Promise.race([asking, aborted(context.signal), firstFailure(tasks)])
  return added ? [...tasks, ...added] : tasks
}

/** One more torrent of a node that runs. @param usesOwnThread as `TorrentAddOptions` says */
export function addTorrent(
  context: CommandContext,
  node: PeerNode,
  torrent: TorrentPlan | MagnetPlan,
  peers: readonly Endpoint[],
  usesOwnThread: boolean,
): Promise<TorrentTask> {
  return 'magnet' in torrent
    ? addMagnet(context, node, torrent, peers)
    : node.add({ ...torrentOptions(context, torrent, peers), usesOwnThread })
}

/** Adds the torrent once peers have given what its source lacks. */
export async function addMagnet(
  context: CommandContext,
  node: PeerNode,
  { magnet, dir, plan }: MagnetPlan,
  peers: readonly Endpoint[],
): Promise<TorrentTask> {
  const { trackers, webSeeds, infoBytes } = magnet.metainfo
  // A link is a stranger's word; a file that only lacks piece layers is the user's own.
  const webSeedScopeMin = infoBytes.length > 0 ? 'machine' : 'global'
  const options = (metainfo: Metainfo, peers: readonly Endpoint[]): TorrentAddOptions => ({
    ...torrentOptions(context, plan({ ...metainfo, trackers, webSeeds }), peers),
    webSeedScopeMin,
  })
  const kept = join(stateFolder(process.env), 'magnets')
  const known = keptMetadata(kept, dir, magnet.metainfo)
  if (known) return node.add(options(known, [...peers, ...magnet.peers]))
  const task = node.addMagnet({
    ...magnet,
    trackers: trackerTiers(context.settings, magnet.metainfo),
    peers: [...peers, ...magnet.peers],
  })
  void askExactSources(context, node, task)
  const metainfo = await task.metadata
  keepMetadata(kept, dir, magnet.metainfo, metainfo)
  return node.add({ ...options(metainfo, []), magnet: task })
}

/** What is in the file when that is enough; otherwise what to ask peers for first. */
export function planOf(torrent: TorrentPlan, output: Output): TorrentPlan | MagnetPlan {
  const { metainfo, dir, role } = torrent
  if (role === 'seed' || !lacksPieceLayers(metainfo)) return torrent
  output.text(`${metainfo.name}: asking peers for the piece hashes`)
  return { magnet: { metainfo, peers: [] }, dir, plan: (whole) => ({ ...torrent, metainfo: whole }) }
}

export function torrentOptions(
  { settings }: Pick<CommandContext, 'settings'>,
  { metainfo, dir, role, select, isRepair = false, early }: TorrentPlan,
  peers: readonly Endpoint[],
): TorrentAddOptions {
  return {
    metainfo,
    dir,
    role,
    isRepair,
    peers,
    picker: settings.picker,
    trackers: trackerTiers(settings, metainfo),
    finalCheck: settings.finalCheck,
    ignoresSpace: !settings.spaceCheck,
    ...(select && { select }),
    ...(early && { early }),
    ...(settings.tmpDir !== 'off' && { tmpDir: settings.tmpDir }),
  }
}

/** Rejects with the first failure; never resolves. */
export function firstFailure(tasks: readonly TorrentTask[]): Promise<never> {
  return new Promise((_, reject) => {
    for (const task of tasks) task.failed.catch(reject)
  })
}

export interface NodeStart {
  /** Name of the peer where one program runs several. */
  readonly node?: string
  readonly portOffset?: number
  readonly onEvent?: (event: KnownEvent) => void
  /** It does not go on seeding, so completion is told without that. */
  readonly endsWhenComplete?: boolean
  /** Its events are not for the user. */
  readonly isSilent?: boolean
}

/** Starts a node whose events go to the output, each with the torrent it is about. */
export async function startNode(
  { output, settings }: Pick<CommandContext, 'output' | 'settings'>,
  start: NodeStart = {},
): Promise<PeerNode> {
  const { PeerNode } = await import('../nodejs/peer-node.ts')
  const options = {
    ...peerNodeOptions(settings, start.portOffset),
    ownsProcess: true,
    ...(output.isLogged ? { onWire: (event: WireEvent) => output.log({ ...event }) } : {}),
  }
  return PeerNode.start(options, (event, torrent) => {
    const about = {
      ...(torrent && { infoHash: torrent.infoHash, name: torrent.name }),
      ...(start.node !== undefined && { node: start.node }),
    }
    const known: KnownEvent = { ...event, ...about }
    start.onEvent?.(known)
    // Completion is one line: with `seeding` in it, or without.
    const isToldByOther = event.event === (start.endsWhenComplete ? 'seeding' : 'complete')
    if (!start.isSilent) output.event(known, isToldByOther ? '' : undefined)
  })
}

/** `status`, `peers` and `ask` of the nodes there are at the time. */
export function peerWords(
  context: Pick<CommandContext, 'output' | 'settings'>,
  nodes: () => readonly { readonly node: PeerNode; readonly name?: string }[],
): ConsoleWord[] {
  const { output, settings } = context
  return [
    {
      word: 'ask',
      arguments: 'PEER ID CLAIM...',
      about: 'ask another peer about chunks of a payload string',
      run: ([peer = '', id = '', ...claims]) => {
        for (const { node } of nodes().slice(0, 1)) node.counters.count('claims_asked')
        askClaims(context, { peer, id, claims }).catch((error: unknown) => output.error(error))
      },
    },
    {
      word: 'status',
      about: 'how far each torrent is',
      run: () => nodes().forEach(({ node, name }) => void showStatus(node.status(), settings, output, name)),
    },
    {
      word: 'peers',
      about: 'who is connected, and what they gave and took',
      run: () => nodes().forEach(({ node, name }) => void showPeers(node.status(), output, name)),
    },
  ]
}
