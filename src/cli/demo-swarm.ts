/** The peers of `shoal demo`: each a whole peer node on loopback that counts from whom its pieces came. */
import { join } from 'node:path'
import type { PeerNode } from '../nodejs/peer-node.ts'
import type { TorrentTask } from '../nodejs/torrent-task.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { CommandContext } from './command-context.ts'
import type { KnownEvent } from './events.ts'
import type { Output } from './output.ts'
import { startNode, torrentOptions } from './peer-run.ts'
import { formatTransfer } from './progress-renderer.ts'

export interface DemoSwarm {
  readonly metainfo: Metainfo
  /** Temporary; the library stands in it under its name, every downloader has a folder of its own. */
  readonly folder: string
}

export class DemoPeer {
  readonly name: string
  readonly role: 'seed' | 'download'
  /** The folder in which the library's name stands. */
  readonly dir: string
  isComplete: boolean
  readonly #context: CommandContext
  readonly #metainfo: Metainfo
  /** Addresses of other peers, to their peer ids; an address that dialled us says nothing by itself. */
  readonly #peerIds = new Map<string, string>()
  /** Pieces by the peer id they came from. */
  readonly received = new Map<string, number>()
  readonly #announced: Promise<void>
  #settleAnnounced!: () => void
  #node!: PeerNode
  #task: TorrentTask | undefined

  private constructor(context: CommandContext, swarm: DemoSwarm, name: string, role: 'seed' | 'download') {
    this.#context = context
    this.#metainfo = swarm.metainfo
    this.name = name
    this.role = role
    this.dir = role === 'seed' ? swarm.folder : join(swarm.folder, name)
    this.isComplete = role === 'seed'
    this.#announced = new Promise((resolve) => {
      this.#settleAnnounced = resolve
    })
  }

  /** Listens, and does nothing else yet. */
  static async start(
    context: CommandContext,
    swarm: DemoSwarm,
    name: string,
    role: 'seed' | 'download',
  ): Promise<DemoPeer> {
    const peer = new DemoPeer(context, swarm, name, role)
    const settings = { ...context.settings, host: '127.0.0.1', port: 0 }
    const start = { node: name, isSilent: true, onEvent: (event: KnownEvent) => peer.#hear(event) }
    peer.#node = await startNode({ output: context.output, settings }, start)
    return peer
  }

  get peerId(): string {
    return this.#node.peerId
  }

  get infoHash(): string | undefined {
    return this.#task?.infoHash
  }

  get done(): Promise<void> {
    return this.#task!.done
  }

  /** Resolves once the tracker knows this peer. */
  async join(): Promise<void> {
    const { settings } = this.#context
    const plan = { metainfo: this.#metainfo, dir: this.dir, role: this.role }
    // The tracker of the demo is in the torrent; others named in a configuration have no business here.
    this.#task = await this.#node.add(
      torrentOptions({ settings: { ...settings, tracker: [], useTracker: true } }, plan, []),
    )
    await this.#announced
  }

  stop(): Promise<void> {
    return this.#node.stop()
  }

  #hear(event: KnownEvent): void {
    const { output } = this.#context
    if (output.isJson) output.event(event)
    if (event.event === 'peer-connected') this.#peerIds.set(event.address, event.peerId)
    if (event.event === 'announced') this.#settleAnnounced()
    if (event.event === 'complete') this.isComplete = true
    if (event.event === 'piece-verified') {
      const peerId = this.#peerIds.get(event.from) ?? event.from
      this.received.set(peerId, (this.received.get(peerId) ?? 0) + 1)
    }
    if (event.event === 'progress' && this.role === 'download' && !this.isComplete)
      output.bar(this.name, {
        label: this.name,
        fraction: event.bytes / event.total,
        detail: formatTransfer(event),
      })
  }
}

/** Pieces: one row for each downloader, one column for each peer: how many pieces came from where. */
export function showDeliveries(output: Output, peers: readonly DemoPeer[]): void {
  const downloaders = peers.filter((peer) => peer.role === 'download')
  for (const to of downloaders)
    for (const from of peers) {
      const pieces = to.received.get(from.peerId) ?? 0
      if (output.isJson && pieces > 0)
        output.event({ event: 'delivered', from: from.name, to: to.name, pieces })
    }
  const right = (title: string) => ({ title, align: 'right' }) as const
  output.table(
    [{ title: 'to / from' }, ...peers.map(({ name }) => right(name)), right('all')],
    downloaders.map((to) => {
      const pieces = peers.map((from) => to.received.get(from.peerId) ?? 0)
      const shown = pieces.map((count, i) => (peers[i] === to ? '-' : count))
      return [to.name, ...shown, pieces.reduce((sum, count) => sum + count, 0)]
    }),
  )
}
