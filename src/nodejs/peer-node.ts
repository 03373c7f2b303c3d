/**
 * A peer on this machine: one listening port, any number of torrents, the swarm machine between them,
 * and the events that tell what happens. Invariant: after `stop` has resolved no socket, timer,
 * thread or file of it is left open.
 */
import { randomBytes } from 'node:crypto'
import { toHex } from '../base/bytes.ts'
import { Prng } from '../base/prng.ts'
import { ok, type Result } from '../base/result.ts'
import { fromLatin1 } from '../base/text.ts'
import type { LocalNetwork } from '../ports/local-network.ts'
import { LocalDiscoveryDriver } from '../runtime/local-discovery-driver.ts'
import { SwarmDriver } from '../runtime/swarm-driver.ts'
import { Client } from '../swarm/client.ts'
import { countUploads } from '../swarm/drain.ts'
import type { SwarmOutput } from '../swarm/effects.ts'
import { LocalDiscovery } from '../swarm/local-discovery.ts'
import { PieceBuffers } from '../swarm/piece-buffers.ts'
import { PEER_ITSELF } from '../swarm/services.ts'
import type { EncryptionMode } from '../swarm/stream-encryption.ts'
import { type TorrentStatus, torrentStatus } from '../swarm/torrent-status.ts'
import type { TurnsOptions } from '../swarm/turns.ts'
import { type AddressScope, scopeOfHost } from '../wire/address-scope.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { MERKLE_BLOCK_LENGTH } from '../wire/merkle.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { ContentRounds } from './content-rounds.ts'
import { connectionsWithin, refuseTooFewDescriptors } from './descriptor-limit.ts'
import { keepYoungSpaceSmall } from './heap-growth.ts'
import { LazyVerifier } from './lazy-verifier.ts'
import { type MagnetAddOptions, MagnetTask } from './magnet-task.ts'
import { MulticastNetwork } from './multicast-network.ts'
import { keepNewestFiles } from './newest-files.ts'
import { nodeClock } from './node-clock.ts'
import { nodeCrypto } from './node-crypto.ts'
import type { NodeEvent } from './node-events.ts'
import { leaveOutTurboFan } from './optimizer.ts'
import { countersFile, PeerCounters } from './peer-counters.ts'
import { PLACE_NOTES_MAX } from './place-notes.ts'
import { SHARED_MEMORY } from './shared-memory.ts'
import { ShoalError } from './shoal-error.ts'
import { TcpNetwork } from './tcp-network.ts'
import { swarmOptions, type TorrentAddOptions, type TorrentDefaults } from './torrent-settings.ts'
import { TorrentTask } from './torrent-task.ts'
import { HttpTrackerCalls } from './tracker-calls.ts'
import { NodeTrackerTransport } from './tracker-transport.ts'
import { type TraceLevels, TransferTrace } from './transfer-trace.ts'
import { NodeWebSeedTransport } from './web-seed-fetch.ts'
import { type WireEvent, WireLog } from './wire-log.ts'

export interface PeerNodeOptions extends TorrentDefaults {
  /** Address to listen on and to connect from; undefined = all interfaces. */
  readonly host: string | undefined
  /** Absent: requests and blocks are not told. */
  readonly trace?: TraceLevels | undefined
  /** Tried in turn while they are in use; 0 = any free one. */
  readonly ports: readonly number[]
  /** `1.2.3`, told to peers. */
  readonly version: string
  /** 0 = unlimited. */
  readonly uploadBytesPerSecond: number
  readonly downloadBytesPerSecond: number
  readonly handshakeTimeoutSeconds: number
  /** A peer that owes blocks so long loses them to others. */
  readonly requestTimeoutSeconds: number
  readonly idleTimeoutSeconds: number
  /** Of connections between peers. */
  readonly encryption: EncryptionMode
  /** Memory for pieces that are not verified yet. */
  readonly unverifiedBytesMax: number
  /** Of one announce. */
  readonly trackerTimeoutMs: number
  /** Each block waits so long before it is sent; 0 = not at all. */
  readonly uploadDelaySeconds: number
  /** One session at a time; undefined = any number. */
  readonly turns: TurnsOptions | undefined
  /** Announces torrents in the local network, and listens there (BEP 14); not if it listens on loopback. */
  readonly usesLocalNetwork: boolean
  /** How far an address may reach that is told our counters; this machine and its network by default. */
  readonly tellsStatsTo?: AddressScope | 'nobody'
  /** Keeps the counters of each address that was asked for here; not those of ports chosen by chance. */
  readonly countersFolder?: string
  /** Told of every message to and from other peers; for a log, since it costs. */
  readonly onWire?: (event: WireEvent) => void
  /** In place of multicast. */
  readonly localNetwork?: LocalNetwork
  /** The process does nothing else: V8 may be set to what suits transfers, all of its code included. */
  readonly ownsProcess?: boolean
}

export interface NodeStatus {
  readonly address: Endpoint
  readonly peerId: string
  readonly torrents: readonly (TorrentStatus & { readonly infoHash: string })[]
}

/** Which torrent an event is about. */
export interface TorrentLabel {
  /** 40 hex digits, or 64 of one that is v2 only. */
  readonly infoHash: string
  readonly name: string
}

export type NodeListener = (event: NodeEvent, torrent: TorrentLabel | undefined) => void

const PROGRESS_INTERVAL_MS = 500

export class PeerNode {
  readonly peerId: string
  readonly counters: PeerCounters
  readonly #defaults: TorrentDefaults
  readonly #network: TcpNetwork
  readonly #client: Client
  readonly #driver: SwarmDriver
  readonly #trackers: NodeTrackerTransport
  readonly #trackerCalls: HttpTrackerCalls
  readonly #webSeeds: NodeWebSeedTransport
  readonly #verifier = new LazyVerifier({
    onSettled: () => this.#setEngine(),
    onAside: () => this.#driver.push({ kind: 'hashing-aside' }),
  })
  readonly #ownsProcess: boolean
  readonly #local: LocalDiscoveryDriver | undefined
  readonly #listeners = new Set<NodeListener>()
  /** One for each torrent that was added. */
  readonly #tasks = new Map<number, TorrentTask>()
  /** Those of them that were magnet links. */
  readonly #magnets = new Map<number, MagnetTask>()
  readonly #rounds = new ContentRounds()
  readonly #lastProgress = new Map<number, string>()
  readonly #progressTimer: NodeJS.Timeout
  readonly #stopped: Promise<void>
  #lastTorrent = 0
  #stopping: Promise<void> | undefined

  private constructor(options: PeerNodeOptions, network: TcpNetwork) {
    const peerId = makePeerId(options.version)
    const seed = randomBytes(4).readUInt32LE()
    this.peerId = peerId
    const { countersFolder, ports, seedNotesFolder, tellsStatsTo = 'local' } = options
    if (seedNotesFolder !== undefined) keepNewestFiles(seedNotesFolder, PLACE_NOTES_MAX)
    const isKept = countersFolder !== undefined && ports.includes(network.endpoint.port)
    this.counters = new PeerCounters(
      peerId,
      isKept ? countersFile(countersFolder, network.endpoint) : undefined,
    )
    this.#defaults = options
    this.#ownsProcess = options.ownsProcess === true
    this.#network = network
    const { host, trackerTimeoutMs } = options
    this.#trackers = new NodeTrackerTransport({
      timeoutMs: trackerTimeoutMs,
      udpTimeoutMs: trackerTimeoutMs,
      encryption: options.encryption,
      ...(host === undefined ? {} : { localAddress: host }),
    })
    this.#trackerCalls = new HttpTrackerCalls({ timeoutMs: trackerTimeoutMs, localAddress: host })
    this.#webSeeds = new NodeWebSeedTransport({ localAddress: host, userAgent: `Shoal/${options.version}` })
    this.#client = new Client(
      nodeClock.now(),
      {
        peerId: fromLatin1(peerId),
        clientName: `Shoal ${options.version}`,
        listenPort: network.endpoint.port,
        ...(options.host !== undefined && { listenHost: network.endpoint.host }),
        blockLength: MERKLE_BLOCK_LENGTH,
        uploadBytesPerSecond: options.uploadBytesPerSecond,
        downloadBytesPerSecond: options.downloadBytesPerSecond,
        connectionsMax: options.connectionsMax,
        connectTimeoutSeconds: options.handshakeTimeoutSeconds,
        handshakeTimeoutSeconds: options.handshakeTimeoutSeconds,
        requestTimeoutSeconds: options.requestTimeoutSeconds,
        idleTimeoutSeconds: options.idleTimeoutSeconds,
        encryption: {
          mode: options.encryption,
          random: (length) => new Uint8Array(randomBytes(length)),
        },
        uploadDelaySeconds: options.uploadDelaySeconds,
        turns: options.turns,
        wireTap: options.onWire && new WireLog(options.onWire),
        services: { tellsStatsTo, stats: (query) => this.counters.stats(query) },
        buffers: new PieceBuffers(options.unverifiedBytesMax, SHARED_MEMORY),
      },
      { prng: new Prng(seed!), crypto: nodeCrypto, buggify: () => false },
    )
    let settleStopped: () => void
    this.#stopped = new Promise((resolve) => {
      settleStopped = resolve
    })
    this.#driver = new SwarmDriver(
      this.#client,
      {
        clock: nodeClock,
        network,
        verifier: this.#verifier,
        trackers: this.#trackers,
        trackerCalls: this.#trackerCalls,
        webSeeds: this.#webSeeds,
      },
      {
        event: (torrent, event) =>
          torrent === PEER_ITSELF ? this.#emit(event, undefined) : this.#member(torrent)?.swarmEvent(event),
        metadata: (torrent, result) => this.#metadata(torrent, result),
        stopped: () => settleStopped(),
        ...(options.trace && { trace: this.#traceWith(options.trace) }),
      },
    )
    this.#local = this.#startLocal(options, new Prng(seed! ^ 1))
    this.#progressTimer = setInterval(() => this.#reportProgress(), PROGRESS_INTERVAL_MS)
  }

  /** Listens; throws ShoalError `listen/…`. The listener hears everything from the first event on. */
  static async start(options: PeerNodeOptions, listener: NodeListener): Promise<PeerNode> {
    refuseTooFewDescriptors()
    const network = await TcpNetwork.listen({ host: options.host, ports: options.ports })
    const connectionsMax = connectionsWithin(options.connectionsMax)
    const node = new PeerNode({ ...options, connectionsMax }, network)
    node.onEvent(listener)
    const { host, port } = network.endpoint
    node.#emit({ event: 'listening', service: 'peer', host, port }, undefined)
    if (connectionsMax < options.connectionsMax)
      node.#emit(
        {
          event: 'warning',
          code: 'listen/few-descriptors',
          message: `this system allows too few open files for ${options.connectionsMax} peers: ${connectionsMax} are the most`,
          hint: 'Raise the limit (ulimit -n), or ask for fewer: --max-peers.',
        },
        undefined,
      )
    return node
  }

  #traceWith(levels: TraceLevels): (output: SwarmOutput) => void {
    const trace = new TransferTrace(levels, (torrent, event) =>
      this.#emit(event, torrent === undefined ? undefined : this.#member(torrent)),
    )
    return (output) => trace.output(output)
  }

  get endpoint(): Endpoint {
    return this.#network.endpoint
  }

  onEvent(listener: NodeListener): void {
    this.#listeners.add(listener)
  }

  /** Checks what is there and joins the swarm; throws ShoalError when the folder cannot be used. */
  async add(options: TorrentAddOptions): Promise<TorrentTask> {
    if (this.#stopping !== undefined) throw new ShoalError('transfer/stopped', 'the peer has been stopped')
    const id = options.magnet?.id ?? ++this.#lastTorrent
    const task = new TorrentTask(id, options, this.#defaults, {
      push: (input) => this.#driver.push(input),
      openStore: (torrent, store) => this.#driver.openStore(torrent, store),
      torrent: (torrent) => this.#client.torrents.get(torrent),
      emit: (torrent, event) => this.#taskEvent(torrent, event),
    })
    for (const other of this.#tasks.values())
      if (other.infoHash === task.infoHash)
        throw new ShoalError(
          'transfer/duplicate',
          `${options.metainfo.name} is here already`,
          'name each torrent once',
        )
    this.#tasks.set(id, task)
    await task.start()
    if (options.role === 'seed') this.#setEngine()
    this.#rounds.add(task.care)
    this.#joinLocal(task)
    return task
  }

  /** Once modules and threads are up. */
  #setEngine(): void {
    keepYoungSpaceSmall()
    if (this.#ownsProcess) leaveOutTurboFan()
  }

  #startLocal(options: PeerNodeOptions, prng: Prng): LocalDiscoveryDriver | undefined {
    const { host } = options
    const isReachable = isWildcard(host) || scopeOfHost(host!) !== 'machine'
    if (!options.usesLocalNetwork || !(isReachable || options.localNetwork !== undefined)) return undefined
    const network = options.localNetwork ?? new MulticastNetwork(isWildcard(host) ? undefined : host)
    return new LocalDiscoveryDriver(new LocalDiscovery(this.endpoint.port, prng), nodeClock, network, {
      found: ({ torrent, peer, from }) =>
        this.#driver.push({ kind: 'add-peers', torrent, peers: [peer], source: 'lan', from }),
      unavailable: (reason) => this.#emit({ event: 'lan-unavailable', message: reason }, undefined),
    })
  }

  /** Private torrents tell nobody but their trackers (BEP 27). */
  #joinLocal({ id, options: { metainfo } }: TorrentTask): void {
    if (metainfo.private || this.#stopping !== undefined) return
    const { infoHashV1, infoHashV2 } = metainfo
    const infoHashes = [infoHashV1, infoHashV2?.subarray(0, 20)].filter((infoHash) => infoHash != null)
    this.#local?.join(id, infoHashes)
  }

  /**
   * Asks peers for the metadata of a magnet link. With what `metadata` gives the torrent is then to be added,
   * with the task as `magnet`. Throws ShoalError when the torrent is here already.
   */
  addMagnet(options: MagnetAddOptions): MagnetTask {
    if (this.#stopping !== undefined) throw new ShoalError('transfer/stopped', 'the peer has been stopped')
    const id = ++this.#lastTorrent
    const { metainfo, trackers, peers } = options
    const task = new MagnetTask(id, options, this.#defaults.requiresTracker, (event) =>
      this.#emit(event, task),
    )
    this.#magnets.set(id, task)
    const torrentOptions = swarmOptions(metainfo, trackers, this.#defaults)
    this.#driver.push({ kind: 'add-magnet', torrent: id, options: torrentOptions })
    this.#driver.push({ kind: 'add-peers', torrent: id, peers, source: 'manual' })
    return task
  }

  /** Peers need not be asked any further. @param metainfo has the hashes of the link */
  learn(task: MagnetTask, metainfo: Metainfo): void {
    this.#metadata(task.id, ok(metainfo))
  }

  status(): NodeStatus {
    const now = nodeClock.now()
    const torrents = [...this.#client.torrents].map(([id, torrent]) => ({
      ...torrentStatus(torrent, now),
      infoHash: this.#member(id)!.infoHash,
    }))
    return { address: this.endpoint, peerId: this.peerId, torrents }
  }

  /**
   * Orderly: sessions end, trackers are told, resume data is written. Calling it again
   * waits for the same end.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    clearInterval(this.#progressTimer)
    this.#rounds.stop()
    for (const task of this.#tasks.values()) task.abort()
    const uploads = countUploads(this.#client.torrents.values())
    if (uploads > 0) this.#emit({ event: 'draining', uploads }, undefined)
    this.#local?.stop()
    this.#driver.push({ kind: 'stop' })
    await this.#stopped
    this.#trackers.close()
    this.#trackerCalls.close()
    this.#webSeeds.close()
    await this.#network.stop()
    await this.#verifier.close()
    for (const task of this.#tasks.values()) await task.stop()
    for (const magnet of this.#magnets.values()) magnet.stop()
    this.#emit({ event: 'stopped' }, undefined)
    this.counters.close()
  }

  #taskEvent(id: number, event: NodeEvent): void {
    if (event.event === 'complete') this.#reportProgress(id)
    this.#emit(event, this.#member(id))
  }

  #metadata(id: number, result: Result<Metainfo>): void {
    const magnet = this.#magnets.get(id)
    // From a peer as well as from elsewhere.
    if (magnet?.isKnown) return
    if (result.ok) {
      const { name, infoHashV1, infoHashV2 } = result.value
      const label = { infoHash: toHex(infoHashV1 ?? infoHashV2!), name }
      this.#emit({ event: 'metadata', ...label }, label)
    }
    magnet?.received(result)
  }

  #member(id: number): TorrentTask | MagnetTask | undefined {
    return this.#tasks.get(id) ?? this.#magnets.get(id)
  }

  #emit(event: NodeEvent, torrent: TorrentLabel | undefined): void {
    this.counters.heard(event, torrent?.infoHash)
    for (const listener of this.#listeners) listener(event, torrent)
  }

  /** One `progress` for each torrent in which something moved. */
  #reportProgress(only?: number): void {
    const now = nodeClock.now()
    for (const [id, torrent] of this.#client.torrents) {
      if (torrent.phase === 'checking' || torrent.pieceCount === 0 || (only !== undefined && only !== id))
        continue
      const total = torrent.wantedBytes
      const bytes = total - torrent.leftBytes
      const downloadRate = Math.round(torrent.core.downloaded.rate(now))
      const uploadRate = Math.round(torrent.core.uploaded.rate(now))
      const peers = torrent.core.sessions.size
      const etaSeconds = downloadRate > 0 ? Math.ceil((total - bytes) / downloadRate) : null
      const state = `${bytes} ${downloadRate} ${uploadRate} ${peers}`
      if (state === this.#lastProgress.get(id)) continue
      this.#lastProgress.set(id, state)
      const event: NodeEvent = {
        event: 'progress',
        bytes,
        total,
        downloadRate,
        uploadRate,
        peers,
        etaSeconds,
      }
      this.#emit(event, this.#tasks.get(id))
    }
  }
}

function isWildcard(host: string | undefined): boolean {
  return host === undefined || host === '0.0.0.0' || host === '::'
}

/** `-SH0100-` for 0.1.0, then twelve random characters (BEP 20). */
function makePeerId(version: string): string {
  const parts = version.split('.').map((part) => Math.min(Number.parseInt(part, 10) || 0, 35))
  const digits = [0, 1, 2, 3].map((place) => (parts[place] ?? 0).toString(36))
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  const tail = Array.from(randomBytes(12), (byte) => alphabet[byte % alphabet.length])
  return `-SH${digits.join('')}-${tail.join('')}`
}
