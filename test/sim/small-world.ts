/**
 * A few swarm machines in virtual time, joined by perfect links that deliver bytes in random fragments:
 * enough to watch whole downloads in a test within milliseconds. Disks are maps, hashes are real.
 */
import { createHash, hash } from 'node:crypto'
import { Prng } from '../../src/base/prng.ts'
import { type Fault, ok } from '../../src/base/result.ts'
import { type Instant, instant, milliseconds } from '../../src/base/time.ts'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import { digestBlocks, digestPiece } from '../../src/nodejs/piece-digests.ts'
import { Client } from '../../src/swarm/client.ts'
import type { ClientOptions } from '../../src/swarm/client-options.ts'
import type { SwarmInput, SwarmOutput } from '../../src/swarm/effects.ts'
import type { SwarmEvent } from '../../src/swarm/events.ts'
import type { Frame } from '../../src/swarm/frame-pool.ts'
import type { Torrent } from '../../src/swarm/torrent.ts'
import type { TorrentOptions } from '../../src/swarm/torrent-options.ts'
import type { TurnsOptions } from '../../src/swarm/turns.ts'
import type { Metainfo } from '../../src/wire/metainfo.ts'
import type { AnnounceReply, AnnounceRequest, TrackerFault } from '../../src/wire/tracker-announce.ts'

export const BLOCK = 16 * 1024
const TORRENT = 1
const LOST: TrackerFault = { code: 'tracker/timeout', message: 'the tracker did not answer' }

export function content(length: number, seed = 1): Uint8Array {
  return new Prng(seed).bytes(length)
}

/** A v1 single-file torrent over the bytes. */
export function metainfoOf(bytes: Uint8Array, pieceLength: number): Metainfo {
  const pieceCount = Math.ceil(bytes.length / pieceLength)
  const hashes = new Uint8Array(20 * pieceCount)
  for (let piece = 0; piece < pieceCount; piece++)
    hashes.set(
      hash('sha1', bytes.subarray(piece * pieceLength, (piece + 1) * pieceLength), 'buffer'),
      20 * piece,
    )
  return {
    format: 'v1',
    name: 'content',
    rawName: new TextEncoder().encode('content'),
    infoHashV1: createHash('sha1').update(hashes).digest(),
    infoHashV2: null,
    infoBytes: new Uint8Array(0),
    pieceLength,
    pieceCount,
    contentLength: bytes.length,
    files: [
      {
        path: ['content'],
        rawPath: [],
        length: bytes.length,
        offset: 0,
        isPad: false,
        piecesRoot: null,
        pieceLayer: null,
      },
    ],
    isSingleFile: true,
    pieceHashesV1: hashes,
    private: false,
    trackers: [],
    webSeeds: [],
    warnings: [],
  }
}

export interface PeerSetup {
  readonly pieces?: Iterable<number>
  readonly options?: Partial<TorrentOptions>
  /** Changes block bytes on their way out of this peer's disk. */
  readonly spoil?: (piece: number, bytes: Uint8Array) => void
  readonly uploadBytesPerSecond?: number
  /** Why its disk does not take a piece now. */
  readonly refuses?: (piece: number) => Fault | undefined
  readonly client?: Partial<ClientOptions>
  readonly turns?: TurnsOptions
}

export class Peer {
  readonly id: number
  readonly client: Client
  readonly events: SwarmEvent[] = []
  /** Pieces on its disk. */
  readonly disk = new Map<number, Uint8Array>()
  /** Every request it sent: [to connection, piece]. */
  readonly setup: PeerSetup
  isDead = false

  constructor(id: number, client: Client, setup: PeerSetup) {
    this.id = id
    this.client = client
    this.setup = setup
  }

  get torrent(): Torrent {
    return this.client.torrents.get(TORRENT)!
  }
}

interface Link {
  readonly peers: readonly [Peer, Peer]
  /** The connection's id at either end. */
  readonly ids: readonly [number, number]
  isOpen: boolean
}

interface Event {
  readonly at: Instant
  readonly order: number
  readonly run: () => void
}

export class SmallWorld {
  now: Instant = instant(0)
  readonly peers: Peer[] = []
  /** Sees what every peer sends, as it goes over the link. */
  onSend: (from: Peer, bytes: Uint8Array) => void = () => {}
  /** Answers announces, a second later; without one nobody does. */
  tracker: ((peer: Peer, request: AnnounceRequest, url: string) => AnnounceReply | TrackerFault) | undefined
  /**
   * What is sent, dialled or announced is lost without a word, and a connection that lost bytes stays dead.
   */
  isCut = false
  readonly #metainfo: Metainfo
  readonly #bytes: Uint8Array
  readonly #prng: Prng
  readonly #links = new Map<string, Link>()
  #queue: Event[] = []
  #order = 0
  #incoming = 0

  constructor(metainfo: Metainfo, bytes: Uint8Array, seed: number) {
    this.#metainfo = metainfo
    this.#bytes = bytes
    this.#prng = new Prng(seed)
  }

  add(setup: PeerSetup): Peer {
    const id = this.peers.length + 1
    const client = new Client(
      this.now,
      {
        peerId: new Prng(id).bytes(20),
        clientName: 'test',
        listenPort: id,
        blockLength: BLOCK,
        uploadBytesPerSecond: setup.uploadBytesPerSecond ?? 0,
        downloadBytesPerSecond: 0,
        connectionsMax: 100,
        connectTimeoutSeconds: 10,
        handshakeTimeoutSeconds: 10,
        requestTimeoutSeconds: 5,
        idleTimeoutSeconds: 120,
        ...setup.client,
        turns: setup.turns,
      },
      { prng: this.#prng.fork(`peer ${id}`), crypto: nodeCrypto, buggify: () => false },
    )
    const peer = new Peer(id, client, setup)
    this.peers.push(peer)
    const options: TorrentOptions = {
      metainfo: this.#metainfo,
      role: 'download',
      order: 'rarest',
      trackers: [],
      selectedFiles: undefined,
      gatheringPiecesMax: Number.POSITIVE_INFINITY,
      piecesPerPeerMax: Number.POSITIVE_INFINITY,
      connectionsMax: 50,
      uploadSlotCount: 50,
      announceIntervalSeconds: undefined,
      announcesRebuilt: false,
      exchangesPeers: false,
      ...setup.options,
    }
    const pieces = [...(setup.pieces ?? [])]
    const { pieceLength } = this.#metainfo
    for (const piece of pieces)
      peer.disk.set(piece, this.#bytes.slice(piece * pieceLength, (piece + 1) * pieceLength))
    this.#input(peer, { kind: 'add-torrent', torrent: TORRENT, options })
    this.#input(peer, { kind: 'checked', torrent: TORRENT, pieces })
    return peer
  }

  /** `from` learns of `to` and dials. */
  introduce(from: Peer, to: Peer): void {
    this.#input(from, {
      kind: 'add-peers',
      torrent: TORRENT,
      peers: [{ host: '127.0.0.1', port: to.id }],
      source: 'manual',
    })
  }

  /** The peer's user, or its disk, tells it. */
  tell(peer: Peer, input: SwarmInput): void {
    this.#input(peer, input)
  }

  /** The peer vanishes without a word. */
  kill(peer: Peer): void {
    peer.isDead = true
    for (const link of this.#links.values()) {
      const side = link.peers.indexOf(peer)
      if (side < 0 || !link.isOpen) continue
      link.isOpen = false
      this.#later(() =>
        this.#input(link.peers[1 - side]!, {
          kind: 'closed',
          connection: link.ids[1 - side]!,
          reason: 'connection-reset',
        }),
      )
    }
  }

  /** Runs until the condition holds; false when the time is up first. */
  runUntil(condition: () => boolean, secondsMax: number): boolean {
    const end = this.now + secondsMax * 1_000_000
    while (!condition()) {
      const next = this.#nextEvent()
      const timeouts = this.peers
        .filter((peer) => !peer.isDead)
        .map((peer) => peer.client.nextTimeout() ?? Infinity)
      const at = Math.min(next?.at ?? Infinity, ...timeouts)
      if (at > end) return false
      this.now = instant(Math.max(at, this.now))
      if (next !== undefined && next.at <= this.now) {
        this.#queue.splice(this.#queue.indexOf(next), 1)
        next.run()
      } else
        for (const peer of this.peers)
          if (!peer.isDead && (peer.client.nextTimeout() ?? Infinity) <= this.now)
            this.#input(peer, { kind: 'tick' })
    }
    return true
  }

  #nextEvent(): Event | undefined {
    let next: Event | undefined
    for (const event of this.#queue)
      if (next === undefined || event.at < next.at || (event.at === next.at && event.order < next.order))
        next = event
    return next
  }

  #later(run: () => void, delay = milliseconds(1)): void {
    this.#queue.push({ at: instant(this.now + delay), order: this.#order++, run })
  }

  #input(peer: Peer, input: SwarmInput): void {
    if (peer.isDead) return
    peer.client.handle(this.now, input)
    for (let output = peer.client.poll(); output !== undefined; output = peer.client.poll())
      this.#execute(peer, output)
  }

  #execute(peer: Peer, output: SwarmOutput): void {
    switch (output.kind) {
      case 'connect':
        return this.#connect(peer, output.connection, output.endpoint.port)
      case 'send':
        return this.#send(peer, output.connection, output.bytes, output.frame)
      case 'close': {
        const link = this.#links.get(`${peer.id} ${output.connection}`)
        if (link === undefined) return
        const side = link.peers.indexOf(peer)
        return this.#later(() => {
          if (!link.isOpen) return
          link.isOpen = false
          this.#input(link.peers[1 - side]!, {
            kind: 'closed',
            connection: link.ids[1 - side]!,
            reason: 'remote-closed',
          })
        })
      }
      case 'hash-piece': {
        const { piece, bytes, wantsSha1, merkle } = output
        return this.#later(() =>
          this.#input(peer, {
            kind: 'piece-hashed',
            torrent: TORRENT,
            piece,
            result: ok(digestPiece(bytes, wantsSha1, merkle)),
          }),
        )
      }
      case 'hash-blocks': {
        const { id, bytes } = output
        return this.#later(() =>
          this.#input(peer, {
            kind: 'blocks-hashed',
            torrent: TORRENT,
            id,
            result: ok(digestBlocks(bytes)),
          }),
        )
      }
      case 'write-piece': {
        const { piece, bytes } = output
        return this.#later(() => {
          const fault = peer.setup.refuses?.(piece)
          if (fault === undefined) peer.disk.set(piece, bytes.slice())
          this.#input(peer, { kind: 'piece-written', torrent: TORRENT, piece, fault })
        })
      }
      case 'read-blocks': {
        const { read, piece, begin, views } = output
        return this.#later(() => {
          let at = begin
          for (const view of views) {
            view.set(peer.disk.get(piece)!.subarray(at, at + view.length))
            // What it reads to tell hashes is not on its way to anybody.
            if (read > 0) peer.setup.spoil?.(piece, view)
            at += view.length
          }
          this.#input(peer, { kind: 'blocks-read', torrent: TORRENT, read, fault: undefined })
        })
      }
      case 'announce': {
        const { announce, request, url } = output
        return this.#later(() => {
          const reply = this.isCut ? LOST : this.tracker?.(peer, request, url)
          if (reply === undefined) return
          const result = 'code' in reply ? { ok: false as const, error: reply } : ok(reply)
          this.#input(peer, { kind: 'announce-answered', torrent: TORRENT, announce, result })
        }, milliseconds(1000))
      }
      case 'event':
        peer.events.push(output.event)
        return
    }
  }

  #connect(from: Peer, connection: number, port: number): void {
    const to = this.peers.find((peer) => peer.id === port)
    this.#later(() => {
      if (this.isCut) return
      if (to === undefined || to.isDead)
        return this.#input(from, { kind: 'closed', connection, reason: 'refused' })
      const incoming = -++this.#incoming
      const link: Link = { peers: [from, to], ids: [connection, incoming], isOpen: true }
      this.#links.set(`${from.id} ${connection}`, link)
      this.#links.set(`${to.id} ${incoming}`, link)
      this.#input(to, {
        kind: 'incoming',
        connection: incoming,
        address: { host: '127.0.0.1', port: 40_000 + from.id },
      })
      this.#input(from, { kind: 'connected', connection })
    })
  }

  #send(from: Peer, connection: number, bytes: Uint8Array, frame: Frame | undefined): void {
    const link = this.#links.get(`${from.id} ${connection}`)
    if (link === undefined) return
    const side = link.peers.indexOf(from)
    const to = link.peers[1 - side]!
    const copy = bytes.slice()
    this.onSend(from, copy)
    if (this.isCut) link.isOpen = false
    this.#later(() => {
      for (let at = 0; at < copy.length && link.isOpen; ) {
        const length = Math.min(
          copy.length - at,
          1 + this.#prng.below(this.#prng.below(4) === 0 ? 40 : 60_000),
        )
        this.#input(to, {
          kind: 'received',
          connection: link.ids[1 - side]!,
          bytes: copy.slice(at, at + length),
        })
        at += length
      }
      if (frame !== undefined) this.#input(from, { kind: 'sent', connection, frame })
    })
  }
}
