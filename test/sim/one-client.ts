/**
 * One swarm machine and peers played by the test, message by message, in virtual time:
 * for what no honest peer would do.
 * Hashes and writes complete at once; reads only when the test says so.
 */
import { concatBytes } from '../../src/base/bytes.ts'
import { Prng } from '../../src/base/prng.ts'
import { ok } from '../../src/base/result.ts'
import { type Instant, instant, seconds } from '../../src/base/time.ts'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import { digestBlocks, digestPiece } from '../../src/nodejs/piece-digests.ts'
import { Client } from '../../src/swarm/client.ts'
import type { ClientOptions } from '../../src/swarm/client-options.ts'
import type { SwarmInput, SwarmOutput } from '../../src/swarm/effects.ts'
import type { PeerSession } from '../../src/swarm/peer-session.ts'
import type { Torrent } from '../../src/swarm/torrent.ts'
import type { TorrentOptions } from '../../src/swarm/torrent-options.ts'
import { encodeHandshake, HANDSHAKE_LENGTH } from '../../src/wire/handshake.ts'
import { decodeHashRequest, type HashRequest } from '../../src/wire/hash-messages.ts'
import { handshakeHash, type Metainfo, parseMetainfo } from '../../src/wire/metainfo.ts'
import {
  MESSAGE,
  MessageWriter,
  PIECE_HEADER_LENGTH,
  writePieceHeader,
} from '../../src/wire/peer-messages.ts'
import { type Format, type TorrentFixture, torrentFixture } from '../kit/torrent-fixture.ts'
import { BLOCK, content, metainfoOf } from './small-world.ts'

export interface Content {
  readonly metainfo: Metainfo
  readonly bytes: Uint8Array
}

export class OneClient {
  now: Instant = instant(1_000_000)
  readonly client: Client
  outputs: SwarmOutput[] = []
  /** Peers of v2 torrents are trusted from the handshake on, as if they had brought something before. */
  trustsPeers = false
  /** The disk is behind: writes stay under way. */
  holdsWrites = false
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
      { prng: new Prng(5), crypto: nodeCrypto, buggify: () => false },
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
        const result = ok(digestPiece(output.bytes, output.wantsSha1, output.merkle))
        this.input({ kind: 'piece-hashed', torrent: output.torrent, piece: output.piece, result })
      } else if (output.kind === 'hash-blocks') {
        const result = ok(digestBlocks(output.bytes))
        this.input({ kind: 'blocks-hashed', torrent: output.torrent, id: output.id, result })
      } else if (output.kind === 'write-piece' && !this.holdsWrites)
        this.input({ kind: 'piece-written', torrent: output.torrent, piece: output.piece, fault: undefined })
    }
    return outputs
  }

  /** Connects a peer of the torrent (the first one by default); gives its connection. */
  peer({ metainfo }: Content = this.#first, host = '127.0.0.1', supportsExtensions = false): number {
    const connection = -++this.#peerCount
    this.input({ kind: 'incoming', connection, address: { host, port: 1000 + this.#peerCount } })
    const handshake = {
      infoHash: handshakeHash(metainfo),
      peerId: new Prng(1000 + this.#peerCount).bytes(20),
      supportsExtensions,
      supportsFast: true,
      supportsV2: metainfo.infoHashV2 !== null,
    }
    this.receive(connection, encodeHandshake(handshake))
    const session = this.session(connection)
    if (this.trustsPeers && session !== undefined) session.isUntried = false
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
    const outstanding = this.session(connection)?.outstanding ?? []
    return [...outstanding].map(({ gathering, block }) => [gathering.piece, block])
  }

  /** Hash requests that were sent to the peer, in order (BEP 52). */
  hashRequests(connection: number): HashRequest[] {
    return this.frames(connection, MESSAGE.hashRequest).map(decodeHashRequest)
  }

  /** Payloads of the messages of one type that were sent to the peer. */
  frames(connection: number, type: number): Uint8Array[] {
    const found: Uint8Array[] = []
    const parts = this.outputs.flatMap((output) =>
      output.kind === 'send' && output.connection === connection ? [output.bytes] : [],
    )
    const bytes = concatBytes(parts)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let at = HANDSHAKE_LENGTH; at < bytes.length; at += 4 + view.getUint32(at))
      if (bytes[at + 4] === type) found.push(bytes.slice(at + 5, at + 4 + view.getUint32(at)))
    return found
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

/** A torrent of one file, in any format over the same bytes. */
export function contentAs(format: Format, pieceCount: number, blocksPerPiece: number, seed = 1): Content {
  const bytes = content(pieceCount * blocksPerPiece * BLOCK, seed)
  return { bytes, metainfo: fileAs(format, bytes, blocksPerPiece * BLOCK) }
}

function fileAs(format: Format, bytes: Uint8Array, pieceLength: number): Metainfo {
  if (format === 'v1') return metainfoOf(bytes, pieceLength)
  const files = { content: Buffer.from(bytes) }
  return metainfoFrom(torrentFixture({ name: 'content', files, pieceLength, format }))
}

export function metainfoFrom(fixture: TorrentFixture): Metainfo {
  const parsed = parseMetainfo(new Uint8Array(fixture.bytes), nodeCrypto)
  if (!parsed.ok) throw new Error(parsed.error.message)
  return parsed.value
}

export function blockFrame({ metainfo, bytes }: Content, piece: number, block: number): Uint8Array {
  const at = piece * metainfo.pieceLength + block * BLOCK
  const data = bytes.subarray(at, Math.min(at + BLOCK, (piece + 1) * metainfo.pieceLength))
  const frame = new Uint8Array(PIECE_HEADER_LENGTH + data.length)
  writePieceHeader(frame, 0, piece, block * BLOCK, data.length)
  frame.set(data, PIECE_HEADER_LENGTH)
  return frame
}
