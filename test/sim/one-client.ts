/**
 * One swarm machine and peers played by the test, message by message, in virtual time:
 * for what no honest peer would do.
 * Hashes and writes complete at once; reads only when the test says so.
 */
import { hash } from 'node:crypto'
import { concatBytes } from '../../src/base/bytes.ts'
import { Prng } from '../../src/base/prng.ts'
import { ok } from '../../src/base/result.ts'
import { type Instant, instant, seconds } from '../../src/base/time.ts'
import { Client } from '../../src/swarm/client.ts'
import type { ClientOptions } from '../../src/swarm/client-options.ts'
import type { SwarmInput, SwarmOutput } from '../../src/swarm/effects.ts'
import type { PeerSession } from '../../src/swarm/peer-session.ts'
import type { Torrent } from '../../src/swarm/torrent.ts'
import type { TorrentOptions } from '../../src/swarm/torrent-options.ts'
import { encodeHandshake } from '../../src/wire/handshake.ts'
import type { Metainfo } from '../../src/wire/metainfo.ts'
import {
  MESSAGE,
  MessageWriter,
  PIECE_HEADER_LENGTH,
  writePieceHeader,
} from '../../src/wire/peer-messages.ts'
import { BLOCK } from './small-world.ts'

export interface Content {
  readonly metainfo: Metainfo
  readonly bytes: Uint8Array
}

export class OneClient {
  now: Instant = instant(1_000_000)
  readonly client: Client
  outputs: SwarmOutput[] = []
  readonly #first: Content
  #peerCount = 0

  constructor(
    content: Content,
    torrent: Partial<TorrentOptions> = {},
    client: Partial<ClientOptions> = {},
    pieces: number[] = [],
  ) {
    this.#first = content
    this.client = new Client(
      this.now,
      {
        peerId: new Prng(77).bytes(20),
        clientName: 'test',
        listenPort: 1,
        blockLength: BLOCK,
        uploadBytesPerSecond: 0,
        downloadBytesPerSecond: 0,
        connectionsMax: 100,
        connectTimeoutSeconds: 10,
        handshakeTimeoutSeconds: 10,
        requestTimeoutSeconds: 5,
        idleTimeoutSeconds: 1200,
        ...client,
      },
      { prng: new Prng(5), crypto: { sha1, sha256: sha1 }, buggify: () => false },
    )
    this.add(1, content, torrent, pieces)
  }

  get torrent(): Torrent {
    return this.client.torrents.get(1)!
  }

  add(id: number, { metainfo }: Content, torrent: Partial<TorrentOptions> = {}, pieces: number[] = []): void {
    const options: TorrentOptions = {
      metainfo,
      role: 'download',
      order: 'sequential',
      trackers: [],
      selectedFiles: undefined,
      gatheringPiecesMax: Number.POSITIVE_INFINITY,
      piecesPerPeerMax: Number.POSITIVE_INFINITY,
      connectionsMax: 50,
      uploadSlotCount: 50,
      announceIntervalSeconds: undefined,
      announcesRebuilt: false,
      exchangesPeers: true,
      ...torrent,
    }
    this.input({ kind: 'add-torrent', torrent: id, options })
    this.input({ kind: 'checked', torrent: id, pieces })
  }

  input(input: SwarmInput): SwarmOutput[] {
    this.client.handle(this.now, input)
    const outputs: SwarmOutput[] = []
    for (let output = this.client.poll(); output !== undefined; output = this.client.poll())
      outputs.push(output)
    this.outputs.push(...outputs)
    for (const output of outputs) {
      if (output.kind === 'hash-piece') {
        const result = ok({ sha1: sha1(output.bytes), merkleRoot: undefined })
        this.input({ kind: 'piece-hashed', torrent: output.torrent, piece: output.piece, result })
      } else if (output.kind === 'write-piece')
        this.input({ kind: 'piece-written', torrent: output.torrent, piece: output.piece, fault: undefined })
    }
    return outputs
  }

  /** Connects a peer of the torrent (the first one by default); gives its connection. */
  peer({ metainfo }: Content = this.#first, host = '127.0.0.1', supportsExtensions = false): number {
    const connection = -++this.#peerCount
    this.input({ kind: 'incoming', connection, address: { host, port: 1000 + this.#peerCount } })
    const handshake = {
      infoHash: metainfo.infoHashV1!,
      peerId: new Prng(1000 + this.#peerCount).bytes(20),
      supportsExtensions,
      supportsFast: true,
      supportsV2: false,
    }
    this.receive(connection, encodeHandshake(handshake))
    return connection
  }

  /** A peer that has everything and serves us. */
  seed(content?: Content): number {
    const connection = this.peer(content)
    this.say(connection, (writer) => {
      writer.plain(MESSAGE.haveAll)
      writer.plain(MESSAGE.unchoke)
    })
    return connection
  }

  receive(connection: number, bytes: Uint8Array): SwarmOutput[] {
    return this.input({ kind: 'received', connection, bytes })
  }

  say(connection: number, write: (writer: MessageWriter) => void): SwarmOutput[] {
    const writer = new MessageWriter()
    write(writer)
    return this.receive(connection, writer.take())
  }

  leave(connection: number): void {
    this.input({ kind: 'closed', connection, reason: 'connection-reset' })
  }

  session(connection: number): PeerSession | undefined {
    for (const torrent of this.client.torrents.values()) {
      const session = torrent.core.sessions.get(connection)
      if (session !== undefined) return session
    }
    return undefined
  }

  /** Blocks asked of the peer and not answered, as [piece, block]. */
  asked(connection: number): [number, number][] {
    const outstanding = this.session(connection)?.outstanding.values() ?? []
    return [...outstanding].map(({ gathering, block }) => [gathering.piece, block])
  }

  /** The peer answers everything it is asked, for this long. */
  serve(connection: number, secondsLong: number, content: Content = this.#first): void {
    for (let i = 0; i < secondsLong * 20; i++) {
      const frames = this.asked(connection).map(([piece, block]) => blockFrame(content, piece, block))
      if (frames.length > 0) this.receive(connection, concatBytes(frames))
      this.pass(0.05)
    }
  }

  /** Lets time go by, with every tick the machine wants. */
  pass(secondsLong: number): void {
    const end = this.now + seconds(secondsLong)
    for (let at = this.client.nextTimeout(); at !== undefined && at <= end; at = this.client.nextTimeout()) {
      this.now = instant(Math.max(at, this.now))
      this.input({ kind: 'tick' })
    }
    this.now = instant(end)
  }
}

export function blockFrame({ metainfo, bytes }: Content, piece: number, block: number): Uint8Array {
  const at = piece * metainfo.pieceLength + block * BLOCK
  const data = bytes.subarray(at, Math.min(at + BLOCK, (piece + 1) * metainfo.pieceLength))
  const frame = new Uint8Array(PIECE_HEADER_LENGTH + data.length)
  writePieceHeader(frame, 0, piece, block * BLOCK, data.length)
  frame.set(data, PIECE_HEADER_LENGTH)
  return frame
}

function sha1(bytes: Uint8Array): Uint8Array {
  return hash('sha1', bytes, 'buffer')
}
