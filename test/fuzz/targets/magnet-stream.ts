/**
 * A peer's byte stream to somebody who has no more than an infohash, cut as its first byte says; in its
 * middle, as the second byte says, another peer brings the metadata. Neither the kept messages nor the
 * hand-over to the whole torrent may throw, and the other peer must get through.
 */
import { hash } from 'node:crypto'
import { assert } from '../../../src/base/assert.ts'
import { concatBytes } from '../../../src/base/bytes.ts'
import { Prng } from '../../../src/base/prng.ts'
import { instant } from '../../../src/base/time.ts'
import { nodeCrypto } from '../../../src/nodejs/node-crypto.ts'
import { Client } from '../../../src/swarm/client.ts'
import type { SwarmOutput } from '../../../src/swarm/effects.ts'
import { metainfoOfMagnet } from '../../../src/swarm/magnet-torrent.ts'
import type { TorrentOptions } from '../../../src/swarm/torrent-options.ts'
import { encodeExtensionHandshake } from '../../../src/wire/extension-handshake.ts'
import { encodeHandshake } from '../../../src/wire/handshake.ts'
import { encodeMetadataMessage } from '../../../src/wire/metadata-messages.ts'
import { MESSAGE, MessageWriter } from '../../../src/wire/peer-messages.ts'
import { torrentFixture } from '../../kit/torrent-fixture.ts'

const INFO = new Uint8Array(torrentFixture({ files: { a: 600_000 } }).infoBytes)
const INFO_HASH = new Uint8Array(hash('sha1', INFO, 'buffer'))
const STRANGER = -1
const HELPER = -2

const OPTIONS: TorrentOptions = {
  metainfo: metainfoOfMagnet({
    ...{ infoHashV1: INFO_HASH, infoHashV2: null, name: 'x' },
    ...{ trackers: [], webSeeds: [], exactSources: [], peers: [], selectOnly: [] },
  }),
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
  exchangesPeers: false,
}

function client(): Client {
  return new Client(
    instant(0),
    {
      peerId: new Uint8Array(20).fill(1),
      clientName: 'fuzz',
      listenPort: 1,
      blockLength: 16_384,
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
}

/** Every input goes through here; the outputs that matter are kept. */
class World {
  readonly machine = client()
  readonly outputs: SwarmOutput[] = []
  #now = 0

  input(input: Parameters<Client['handle']>[1]): void {
    this.machine.handle(instant((this.#now += 1000)), input)
    for (let output = this.machine.poll(); output !== undefined; output = this.machine.poll())
      this.outputs.push(output)
  }

  comes(connection: number): void {
    this.input({ kind: 'incoming', connection, address: { host: '10.0.0.1', port: 9 - connection } })
    const peerId = new Uint8Array(20).fill(9 - connection)
    const abilities = { supportsExtensions: true, supportsFast: true, supportsV2: false }
    const bytes = encodeHandshake({ infoHash: INFO_HASH, peerId, ...abilities })
    this.input({ kind: 'received', connection, bytes })
  }

  /** Another peer has the metadata, and the whole torrent takes over. */
  help(): void {
    this.comes(HELPER)
    const writer = new MessageWriter()
    writer.extended(0, hello())
    const bytes = encodeMetadataMessage({ kind: 'data', part: 0, totalSize: INFO.length, bytes: INFO })
    writer.extended(2, bytes)
    this.input({ kind: 'received', connection: HELPER, bytes: writer.take() })
    // The stranger may owe the part; it is given up in time.
    for (let i = 0; i < 60 && this.#metadata === undefined; i++) {
      this.#now += 1_000_000
      this.input({ kind: 'tick' })
      writer.extended(2, bytes)
      this.input({ kind: 'received', connection: HELPER, bytes: writer.take() })
    }
    const result = this.#metadata
    assert(result?.ok === true, 'the other peer gets through')
    this.input({ kind: 'add-torrent', torrent: 1, options: { ...OPTIONS, metainfo: result.value } })
    this.input({ kind: 'checked', torrent: 1, pieces: [0] })
  }

  get #metadata() {
    for (const output of this.outputs) if (output.kind === 'metadata') return output.result
    return undefined
  }
}

function hello(): Uint8Array {
  return encodeExtensionHandshake({
    messages: new Map([['ut_metadata', 1]]),
    client: 'x',
    listenPort: 6881,
    requestQueueLength: 100,
    isUploadOnly: false,
    metadataSize: INFO.length,
  })
}

export default {
  name: 'magnet-stream',

  seeds(): Uint8Array[] {
    const writer = new MessageWriter()
    writer.extended(0, hello())
    writer.bitfield(Uint8Array.of(0xff, 0xff, 0xe0))
    writer.plain(MESSAGE.unchoke)
    writer.plain(MESSAGE.interested)
    writer.number(MESSAGE.have, 3)
    const wrong = {
      kind: 'data',
      part: 0,
      totalSize: INFO.length,
      bytes: new Uint8Array(INFO.length),
    } as const
    writer.extended(2, encodeMetadataMessage(wrong))
    const talk = writer.take()
    writer.plain(MESSAGE.haveAll)
    writer.extended(2, encodeMetadataMessage({ kind: 'request', part: 0 }))
    writer.extended(2, encodeMetadataMessage({ kind: 'reject', part: 0 }))
    writer.bytes(MESSAGE.hashRequest, new Uint8Array(48))
    const more = writer.take()
    return [
      concatBytes([Uint8Array.of(0, 9), talk, more]),
      concatBytes([Uint8Array.of(7, 2), more, talk]),
      concatBytes([Uint8Array.of(3, 0), talk]),
    ]
  },

  run(bytes: Uint8Array): void {
    const world = new World()
    world.input({ kind: 'add-magnet', torrent: 1, options: OPTIONS })
    world.comes(STRANGER)
    const step = 1 + (bytes[0] ?? 0) * 7
    const middle = 2 + (bytes[1] ?? 0) * 4
    let isHelped = false
    for (let at = 2; at < bytes.length; at += step) {
      if (at >= middle && !isHelped) {
        isHelped = true
        world.help()
      }
      world.input({ kind: 'received', connection: STRANGER, bytes: bytes.slice(at, at + step) })
    }
    if (!isHelped) world.help()
    const { core } = world.machine.torrents.get(1)!
    assert(core.pieces.have.count === 1, 'nothing unverified counts as had')
    assert(core.sessions.has(HELPER), 'the other peer is still there')
  },
}
