/**
 * A swarm machine that downloads from peers played without a network, in virtual time: what choosing and
 * keeping account of blocks costs, apart from sockets, disks and hashes. Blocks are 16 bytes long, so that
 * copying them does not count; hashes and writes succeed at once.
 */
import { Bitfield } from '../../src/base/bitfield.ts'
import { concatBytes, writeUint32 } from '../../src/base/bytes.ts'
import { Prng } from '../../src/base/prng.ts'
import { ok } from '../../src/base/result.ts'
import { type Instant, instant, milliseconds } from '../../src/base/time.ts'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import { Client } from '../../src/swarm/client.ts'
import type { SwarmInput } from '../../src/swarm/effects.ts'
import type { PeerSession } from '../../src/swarm/peer-session.ts'
import { encodeHandshake } from '../../src/wire/handshake.ts'
import type { Metainfo } from '../../src/wire/metainfo.ts'
import {
  MESSAGE,
  MessageWriter,
  PIECE_HEADER_LENGTH,
  writePieceHeader,
} from '../../src/wire/peer-messages.ts'

const BLOCK_LENGTH = 16
const TORRENT = 1
const SHA1 = new Uint8Array(20)

export interface PlayedSwarmPlan {
  readonly pieceCount: number
  readonly blocksPerPiece: number
  readonly peerCount: number
  /** Of the pieces, each peer has so many, chosen by chance; 1 = all are seeds. */
  readonly fraction: number
}

/** Seconds the machine took for a whole download, from the first unchoke on. */
export function downloadSeconds(plan: PlayedSwarmPlan): number {
  const swarm = new PlayedSwarm(plan)
  return swarm.run()
}

class PlayedSwarm {
  #now: Instant = instant(1_000_000)
  #machineMs = 0
  readonly #client: Client
  readonly #plan: PlayedSwarmPlan
  readonly #prng = new Prng(1)

  constructor(plan: PlayedSwarmPlan) {
    this.#plan = plan
    this.#client = new Client(
      this.#now,
      {
        peerId: this.#prng.bytes(20),
        clientName: 'bench',
        listenPort: 1,
        blockLength: BLOCK_LENGTH,
        uploadBytesPerSecond: 0,
        downloadBytesPerSecond: 0,
        connectionsMax: plan.peerCount,
        connectTimeoutSeconds: 10,
        handshakeTimeoutSeconds: 10,
        requestTimeoutSeconds: 1e6,
        idleTimeoutSeconds: 1e6,
      },
      { prng: new Prng(2), crypto: nodeCrypto, buggify: () => false },
    )
    const options = {
      metainfo: metainfoOf(plan),
      role: 'download',
      order: 'rarest',
      trackers: [],
      selectedFiles: undefined,
      gatheringPiecesMax: Number.POSITIVE_INFINITY,
      piecesPerPeerMax: Number.POSITIVE_INFINITY,
      connectionsMax: plan.peerCount,
      uploadSlotCount: 50,
      announceIntervalSeconds: undefined,
      announcesRebuilt: false,
      exchangesPeers: false,
    } as const
    this.#input({ kind: 'add-torrent', torrent: TORRENT, options })
    this.#input({ kind: 'checked', torrent: TORRENT, pieces: [] })
    for (let peer = 1; peer <= plan.peerCount; peer++) this.#connect(-peer)
  }

  run(): number {
    const { core } = this.#client.torrents.get(TORRENT)!
    this.#machineMs = 0
    for (const { id } of core.sessions.values()) this.#receive(id, plain(MESSAGE.unchoke))
    while (!core.pieces.isComplete) {
      let hasServed = false
      for (const session of [...core.sessions.values()]) {
        if (session.outstanding.size === 0) continue
        hasServed = true
        this.#receive(session.id, blocksFor(session))
      }
      if (!hasServed) throw new Error('the played download stands still')
    }
    return this.#machineMs / 1000
  }

  #connect(connection: number): void {
    const address = { host: '127.0.0.1', port: 1000 - connection }
    this.#input({ kind: 'incoming', connection, address })
    const { infoHashV1 } = this.#client.torrents.get(TORRENT)!.core.options.metainfo
    const handshake = {
      infoHash: infoHashV1!,
      peerId: this.#prng.bytes(20),
      supportsExtensions: false,
      supportsFast: true,
      supportsV2: false,
    }
    this.#receive(connection, encodeHandshake(handshake))
    const have = new Bitfield(this.#plan.pieceCount)
    // Every piece is somewhere: piece p is with peer p modulo the number of peers.
    for (let piece = 0; piece < have.length; piece++) {
      const isOwn = piece % this.#plan.peerCount === -connection - 1
      if (isOwn || this.#prng.fraction() < this.#plan.fraction) have.set(piece)
    }
    this.#receive(connection, bitfieldFrame(have))
  }

  #receive(connection: number, bytes: Uint8Array): void {
    this.#now = instant(this.#now + milliseconds(1))
    this.#input({ kind: 'received', connection, bytes })
  }

  #input(first: SwarmInput): void {
    const inputs = [first]
    const startedAt = performance.now()
    for (let input = inputs.pop(); input !== undefined; input = inputs.pop()) {
      this.#client.handle(this.#now, input)
      for (let output = this.#client.poll(); output !== undefined; output = this.#client.poll()) {
        if (output.kind === 'hash-piece') {
          const { torrent, piece } = output
          inputs.push({ kind: 'piece-hashed', torrent, piece, result: ok(DIGESTS) })
        } else if (output.kind === 'write-piece') {
          const { torrent, piece } = output
          inputs.push({ kind: 'piece-written', torrent, piece, fault: undefined })
        }
      }
    }
    this.#machineMs += performance.now() - startedAt
  }
}

const DIGESTS = { sha1: SHA1, merkleRoot: undefined }

function plain(type: number): Uint8Array {
  const writer = new MessageWriter()
  writer.plain(type)
  return writer.take()
}

function bitfieldFrame({ bytes }: Bitfield): Uint8Array {
  const head = new Uint8Array(5)
  writeUint32(head, 0, 1 + bytes.length)
  head[4] = MESSAGE.bitfield
  return concatBytes([head, bytes])
}

/** Answers everything the peer was asked for. */
function blocksFor(session: PeerSession): Uint8Array {
  const frames: Uint8Array[] = []
  for (const { gathering, block } of session.outstanding) {
    const frame = new Uint8Array(PIECE_HEADER_LENGTH + BLOCK_LENGTH)
    writePieceHeader(frame, 0, gathering.piece, block * BLOCK_LENGTH, BLOCK_LENGTH)
    frames.push(frame)
  }
  return concatBytes(frames)
}

function metainfoOf({ pieceCount, blocksPerPiece }: PlayedSwarmPlan): Metainfo {
  const pieceLength = blocksPerPiece * BLOCK_LENGTH
  const length = pieceCount * pieceLength
  const file = { path: ['content'], rawPath: [], length, offset: 0, isPad: false }
  return {
    format: 'v1',
    name: 'content',
    rawName: new Uint8Array(0),
    infoHashV1: new Prng(3).bytes(20),
    infoHashV2: null,
    infoBytes: new Uint8Array(0),
    pieceLength,
    pieceCount,
    contentLength: length,
    files: [{ ...file, piecesRoot: null, pieceLayer: null }],
    isSingleFile: true,
    pieceHashesV1: new Uint8Array(SHA1.length * pieceCount),
    private: false,
    trackers: [],
    webSeeds: [],
    warnings: [],
  }
}
