/**
 * A whole peer session: a valid handshake, then the input as the peer's byte stream, cut
 * as its first byte says.
 * The machine must neither throw nor hold more than its limits, and must go on serving others.
 */
import { hash } from 'node:crypto'
import { assert } from '../../../src/base/assert.ts'
import { concatBytes } from '../../../src/base/bytes.ts'
import { LIMITS } from '../../../src/base/limits.ts'
import { Prng } from '../../../src/base/prng.ts'
import { ok } from '../../../src/base/result.ts'
import { instant } from '../../../src/base/time.ts'
import { Client } from '../../../src/swarm/client.ts'
import type { SwarmInput } from '../../../src/swarm/effects.ts'
import { encodeExtensionHandshake } from '../../../src/wire/extension-handshake.ts'
import { encodeHandshake } from '../../../src/wire/handshake.ts'
import {
  MESSAGE,
  MessageWriter,
  PIECE_HEADER_LENGTH,
  writePieceHeader,
} from '../../../src/wire/peer-messages.ts'
import { BLOCK, content, metainfoOf } from '../../sim/small-world.ts'

const PIECE = 2 * BLOCK
const METAINFO = metainfoOf(content(6 * PIECE + 100), PIECE)
const HANDSHAKE = encodeHandshake({
  infoHash: METAINFO.infoHashV1!,
  peerId: new Uint8Array(20).fill(7),
  supportsExtensions: true,
  supportsFast: true,
  supportsV2: false,
})
const CONNECTION = -1
const sha1 = (bytes: Uint8Array): Uint8Array => hash('sha1', bytes, 'buffer')

function client(): Client {
  const made = new Client(
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
    { prng: new Prng(1), crypto: { sha1, sha256: sha1 }, buggify: () => false },
  )
  made.handle(instant(0), {
    kind: 'add-torrent',
    torrent: 1,
    options: {
      metainfo: METAINFO,
      role: 'download',
      order: 'rarest',
      trackers: [],
      selectedFiles: undefined,
      gatheringPiecesMax: 10,
      piecesPerPeerMax: 10,
      connectionsMax: 5,
      uploadSlotCount: 4,
      announceIntervalSeconds: undefined,
      announcesRebuilt: false,
      exchangesPeers: true,
    },
  })
  made.handle(instant(0), { kind: 'checked', torrent: 1, pieces: [0, 1, 2] })
  return made
}

/** Carries out what the machine wants at once, hashes and disk included. */
function drain(machine: Client, now: number): void {
  const inputs: SwarmInput[] = []
  for (let output = machine.poll(); output !== undefined || inputs.length > 0; output = machine.poll()) {
    if (output === undefined) machine.handle(instant(now), inputs.shift()!)
    else if (output.kind === 'hash-piece')
      inputs.push({
        kind: 'piece-hashed',
        torrent: 1,
        piece: output.piece,
        result: ok({ sha1: sha1(output.bytes), merkleRoot: undefined }),
      })
    else if (output.kind === 'hash-blocks')
      inputs.push({ kind: 'blocks-hashed', torrent: 1, id: output.id, result: ok(new Uint8Array(32)) })
    else if (output.kind === 'write-piece')
      inputs.push({ kind: 'piece-written', torrent: 1, piece: output.piece, fault: undefined })
    else if (output.kind === 'read-blocks')
      inputs.push({ kind: 'blocks-read', torrent: 1, read: output.read, fault: undefined })
    else if (output.kind === 'send' && output.frame !== undefined)
      inputs.push({
        kind: 'sent',
        connection: output.connection,
        frame: output.frame,
      })
  }
}

function blockFrame(piece: number, begin: number, length: number): Uint8Array {
  const frame = new Uint8Array(PIECE_HEADER_LENGTH + length)
  writePieceHeader(frame, 0, piece, begin, length)
  return frame
}

export default {
  name: 'peer-stream',

  seeds(): Uint8Array[] {
    const writer = new MessageWriter()
    writer.plain(MESSAGE.haveAll)
    writer.plain(MESSAGE.unchoke)
    writer.plain(MESSAGE.interested)
    writer.block(MESSAGE.request, 0, 0, BLOCK)
    writer.block(MESSAGE.cancel, 0, 0, BLOCK)
    writer.number(MESSAGE.have, 3)
    writer.block(MESSAGE.reject, 4, 0, BLOCK)
    const talk = writer.take()
    writer.bitfield(Uint8Array.of(0xfe))
    writer.extended(
      0,
      encodeExtensionHandshake({
        messages: new Map([['ut_metadata', 1]]),
        client: 'x',
        listenPort: 6881,
        requestQueueLength: 100,
        isUploadOnly: false,
        metadataSize: 100,
        longMessageBytes: 131_072,
      }),
    )
    const hello = writer.take()
    writer.block(MESSAGE.request, 0, 0, 2 * BLOCK)
    writer.block(MESSAGE.cancel, 0, BLOCK, BLOCK)
    const long = writer.take()
    return [
      concatBytes([Uint8Array.of(0), talk, blockFrame(3, 0, BLOCK)]),
      concatBytes([Uint8Array.of(9), hello, blockFrame(4, BLOCK, 100)]),
      concatBytes([Uint8Array.of(255), hello, talk, long, blockFrame(3, 0, 2 * BLOCK)]),
      Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 1, 99),
    ]
  },

  run(bytes: Uint8Array): void {
    const machine = client()
    machine.handle(instant(0), {
      kind: 'incoming',
      connection: CONNECTION,
      address: { host: '10.0.0.1', port: 9 },
    })
    machine.handle(instant(0), { kind: 'received', connection: CONNECTION, bytes: HANDSHAKE })
    drain(machine, 0)
    const step = 1 + (bytes[0] ?? 0) * 7
    let now = 0
    for (let at = 1; at < bytes.length; at += step) {
      now += 1000
      machine.handle(instant(now), {
        kind: 'received',
        connection: CONNECTION,
        bytes: bytes.slice(at, at + step),
      })
      drain(machine, now)
    }
    const { core } = machine.torrents.get(1)!
    assert(core.pieces.have.count >= 3 && !core.pieces.have.has(5), 'nothing unverified counts as had')
    for (const session of core.sessions.values())
      assert(session.outstanding.size <= LIMITS.requestsOutstandingPerPeerMax.value, 'requests are bounded')
    machine.handle(instant(now), { kind: 'closed', connection: CONNECTION, reason: 'remote-closed' })
    drain(machine, now)
    assert(core.sessions.size === 0 && core.picker.seedCount === 0, 'a session leaves nothing behind')
  },
}
