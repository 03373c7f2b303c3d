/** Peer nodes that share a local network made of memory: on loopback, where multicast does not reach. */
import { expect, it } from 'vitest'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import { type NodeListener, PeerNode, type PeerNodeOptions } from '../../src/nodejs/peer-node.ts'
import type { LocalNetwork } from '../../src/ports/local-network.ts'
import { parseMetainfo } from '../../src/wire/metainfo.ts'
import { onCleanUp } from '../kit/clean-up.ts'
import { stage } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'

/** Everybody hears everybody, himself too. */
class Hub {
  readonly #members = new Set<(host: string, bytes: Uint8Array) => void>()

  join(): LocalNetwork {
    let member: ((host: string, bytes: Uint8Array) => void) | undefined
    return {
      open: (heard) => {
        member = heard
        this.#members.add(heard)
      },
      send: (_group, bytes) => {
        for (const heard of this.#members) setImmediate(() => heard('127.0.0.1', bytes))
      },
      close: () => {
        if (member) this.#members.delete(member)
      },
    }
  }

  get size(): number {
    return this.#members.size
  }
}

function options(localNetwork: LocalNetwork): PeerNodeOptions {
  return {
    host: '127.0.0.1',
    ports: [0],
    version: '0.0.0',
    uploadBytesPerSecond: 0,
    downloadBytesPerSecond: 0,
    connectionsMax: 10,
    piecesInFlightMax: undefined,
    piecesPerPeerMax: undefined,
    uploadSlotCount: 10,
    usesTrackers: false,
    requiresTracker: false,
    announceIntervalSeconds: undefined,
    announcesRebuilt: false,
    exchangesPeers: false,
    usesWebSeeds: false,
    usesLocalNetwork: true,
    localNetwork,
    encryption: 'off',
    unverifiedBytesMax: 1 << 20,
    trackerTimeoutMs: 5000,
    uploadDelaySeconds: 0,
    turns: undefined,
    handshakeTimeoutSeconds: 5,
    requestTimeoutSeconds: 5,
    idleTimeoutSeconds: 60,
  }
}

async function startNode(hub: Hub, listener: NodeListener = () => {}): Promise<PeerNode> {
  const node = await PeerNode.start(options(hub.join()), listener)
  onCleanUp(() => node.stop())
  return node
}

it.each(['v1', 'v2', 'hybrid'] as const)(
  'a download of a %s torrent finds its seed in the local network alone',
  async (format) => {
    const { torrent, source, target } = stage({ format })
    const metainfo = parseMetainfo(torrent.bytes, nodeCrypto)
    if (!metainfo.ok) throw new Error(metainfo.error.message)
    const common = { metainfo: metainfo.value, picker: 'rarest', peers: [], finalCheck: 'off' } as const
    const hub = new Hub()
    const seed = await startNode(hub)
    await seed.add({ ...common, dir: source, role: 'seed' })
    const downloader = await startNode(hub)
    const task = await downloader.add({ ...common, dir: target, role: 'download' })
    await task.done
    expect(treeDifferences(source, target)).toEqual([])
    const [status] = downloader.status().torrents
    expect(status?.knownPeers).toEqual({ lan: 1 })
    await Promise.all([seed.stop(), downloader.stop()])
    expect(hub.size).toBe(0)
  },
)
