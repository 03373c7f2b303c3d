/**
 * Hash requests, hashes and rejects (BEP 52) as the byte stream of a peer that is asked for hashes itself: it
 * spoiled a block of a piece, which is on trial. It must not throw, believe a wrong hash, hold more requests
 * than the limit, or leave the piece behind when the peer goes.
 */
import { assert } from '../../../src/base/assert.ts'
import { concatBytes } from '../../../src/base/bytes.ts'
import { LIMITS } from '../../../src/base/limits.ts'
import { Prng } from '../../../src/base/prng.ts'
import { ok } from '../../../src/base/result.ts'
import { instant } from '../../../src/base/time.ts'
import { nodeCrypto } from '../../../src/nodejs/node-crypto.ts'
import { digestBlocks, digestPiece } from '../../../src/nodejs/piece-digests.ts'
import { Client } from '../../../src/swarm/client.ts'
import type { SwarmInput } from '../../../src/swarm/effects.ts'
import { encodeHandshake } from '../../../src/wire/handshake.ts'
import { encodeHashes, encodeHashRequest, type HashRequest } from '../../../src/wire/hash-messages.ts'
import { HashTree } from '../../../src/wire/merkle.ts'
import { handshakeHash } from '../../../src/wire/metainfo.ts'
import { MESSAGE, MessageWriter } from '../../../src/wire/peer-messages.ts'
import { blockFrame, contentAs } from '../../sim/one-client.ts'
import { BLOCK } from '../../sim/small-world.ts'

const PIECES = 4
const BLOCKS = 4
const CONTENT = contentAs('v2', PIECES, BLOCKS)
const { metainfo: METAINFO, bytes: BYTES } = CONTENT
const ROOT = METAINFO.files[0]!.piecesRoot!
const TREE = new HashTree(digestBlocks(BYTES), 0, PIECES * BLOCKS, nodeCrypto)
/** What is asked of the peer for the piece it spoiled. */
const TRIED = 3
const ASKED: HashRequest = { root: ROOT, baseLayer: 0, index: TRIED * BLOCKS, count: BLOCKS, proofLayers: 1 }
const [LIAR, HELPER] = [-1, -2] as const

class World {
  readonly client: Client
  #now = 0

  constructor() {
    this.client = new Client(
      instant(0),
      {
        peerId: new Uint8Array(20).fill(1),
        clientName: 'fuzz',
        listenPort: 1,
        blockLength: BLOCK,
        uploadBytesPerSecond: 0,
        downloadBytesPerSecond: 0,
        connectionsMax: 5,
        connectTimeoutSeconds: 10,
        handshakeTimeoutSeconds: 10,
        requestTimeoutSeconds: 20,
        idleTimeoutSeconds: 120,
      },
      { prng: new Prng(1), crypto: nodeCrypto, buggify: () => false },
    )
    this.input({
      kind: 'add-torrent',
      torrent: 1,
      options: {
        metainfo: METAINFO,
        role: 'download',
        order: 'sequential',
        trackers: [],
        selectedFiles: undefined,
        gatheringPiecesMax: 10,
        piecesPerPeerMax: 10,
        connectionsMax: 5,
        uploadSlotCount: 4,
        announceIntervalSeconds: undefined,
        announcesRebuilt: false,
        exchangesPeers: false,
      },
    })
    this.input({ kind: 'checked', torrent: 1, pieces: [0, 1, 2] })
  }

  /** The liar has brought one wrong block of the last piece, the helper the others, and is gone. */
  spoil(): void {
    for (const peer of [LIAR, HELPER]) this.#comes(peer)
    this.#say(LIAR, (writer) => writer.plain(MESSAGE.haveAll))
    this.#say(LIAR, (writer) => writer.plain(MESSAGE.unchoke))
    const wrong = blockFrame(CONTENT, TRIED, 0)
    wrong[99]! ^= 1
    this.receive(LIAR, wrong)
    this.#say(LIAR, (writer) => {
      writer.plain(MESSAGE.choke)
      for (let block = 1; block < BLOCKS; block++) writer.block(MESSAGE.reject, TRIED, block * BLOCK, BLOCK)
    })
    this.#say(HELPER, (writer) => writer.plain(MESSAGE.haveAll))
    this.#say(HELPER, (writer) => writer.plain(MESSAGE.unchoke))
    const rest = [1, 2, 3].map((block) => blockFrame(CONTENT, TRIED, block))
    this.receive(HELPER, concatBytes(rest))
    this.input({ kind: 'closed', connection: HELPER, reason: 'remote-closed' })
  }

  receive(connection: number, bytes: Uint8Array): void {
    this.input({ kind: 'received', connection, bytes })
  }

  /** Carries out what follows at once, hashes and disk included. */
  input(first: SwarmInput): void {
    const inputs = [first]
    for (let input = inputs.shift(); input !== undefined; input = inputs.shift()) {
      this.client.handle(instant((this.#now += 1000)), input)
      for (let output = this.client.poll(); output !== undefined; output = this.client.poll()) {
        if (output.kind === 'hash-piece') {
          const result = ok(digestPiece(output.bytes, output.wantsSha1, output.merkle))
          inputs.push({ kind: 'piece-hashed', torrent: 1, piece: output.piece, result })
        } else if (output.kind === 'hash-blocks')
          inputs.push({
            kind: 'blocks-hashed',
            torrent: 1,
            id: output.id,
            result: ok(digestBlocks(output.bytes)),
          })
        else if (output.kind === 'write-piece')
          inputs.push({ kind: 'piece-written', torrent: 1, piece: output.piece, fault: undefined })
        else if (output.kind === 'read-blocks') {
          let at = output.piece * METAINFO.pieceLength + output.begin
          for (const view of output.views) {
            view.set(BYTES.subarray(at, at + view.length))
            at += view.length
          }
          inputs.push({ kind: 'blocks-read', torrent: 1, read: output.read, fault: undefined })
        } else if (output.kind === 'send' && output.frame !== undefined)
          inputs.push({ kind: 'sent', connection: output.connection, frame: output.frame })
      }
    }
  }

  pass(milliseconds: number): void {
    this.#now += 1000 * milliseconds
    this.input({ kind: 'tick' })
  }

  #comes(connection: number): void {
    this.input({ kind: 'incoming', connection, address: { host: `10.0.0.${-connection}`, port: 9 } })
    const infoHash = handshakeHash(METAINFO)
    const peerId = new Uint8Array(20).fill(9 - connection)
    const flags = { supportsExtensions: false, supportsFast: true, supportsV2: true }
    this.receive(connection, encodeHandshake({ infoHash, peerId, ...flags }))
    // Both have brought something before, so that their blocks are not looked at one by one.
    this.client.torrents.get(1)!.core.sessions.get(connection)!.isUntried = false
  }

  #say(connection: number, write: (writer: MessageWriter) => void): void {
    const writer = new MessageWriter()
    write(writer)
    this.receive(connection, writer.take())
  }
}

function frames(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter()
  write(writer)
  return concatBytes([Uint8Array.of(9), writer.take()])
}

export default {
  name: 'block-hash-stream',

  seeds(): Uint8Array[] {
    const hashes = TREE.answer(ASKED)!
    const served = { ...ASKED, index: 0, count: 8, proofLayers: 3 }
    return [
      frames((writer) => writer.bytes(MESSAGE.hashes, encodeHashes({ request: ASKED, hashes }))),
      frames((writer) => writer.bytes(MESSAGE.hashReject, encodeHashRequest(ASKED))),
      frames((writer) => {
        for (let i = 0; i < 5; i++) writer.bytes(MESSAGE.hashRequest, encodeHashRequest(served))
        writer.bytes(MESSAGE.hashRequest, encodeHashRequest({ ...served, index: 2, count: 2 }))
        writer.bytes(MESSAGE.hashRequest, encodeHashRequest(ASKED))
      }),
    ]
  },

  run(bytes: Uint8Array): void {
    const world = new World()
    world.spoil()
    const { core } = world.client.torrents.get(1)!
    assert(core.pieces.checking.get(TRIED)?.isOnTrial === true, 'the spoiled piece is on trial')
    const step = 1 + (bytes[0] ?? 0) * 7
    for (let at = 1; at < bytes.length; at += step) world.receive(LIAR, bytes.slice(at, at + step))
    const banned = core.pieces.gathering.get(TRIED)
    if (banned !== undefined)
      assert(banned.senders[0] === '' && banned.receivedCount === BLOCKS - 1, 'one block is wrong, no other')
    assert(!core.pieces.have.has(TRIED), 'nothing unverified counts as had')
    for (const session of core.sessions.values())
      assert(session.outstanding.size <= LIMITS.requestsOutstandingPerPeerMax.value, 'requests are bounded')
    world.input({ kind: 'closed', connection: LIAR, reason: 'remote-closed' })
    world.pass(5000)
    world.pass(5000)
    assert(core.sessions.size === 0 && core.pieces.checking.size === 0, 'a trial ends with its last witness')
  },
}
