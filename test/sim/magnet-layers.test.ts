/**
 * Magnet links of v2 and hybrid torrents, whose piece layers are not in the metadata: peers are asked for
 * them, a hybrid for a short while only, and nothing is believed that does not lead to the root of its file.
 */
import { describe, expect, it } from 'vitest'
import { Prng } from '../../src/base/prng.ts'
import { instant, seconds } from '../../src/base/time.ts'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import { Client } from '../../src/swarm/client.ts'
import type { SwarmInput, SwarmOutput } from '../../src/swarm/effects.ts'
import { metainfoOfMagnet } from '../../src/swarm/magnet-torrent.ts'
import { encodeExtensionHandshake } from '../../src/wire/extension-handshake.ts'
import { decodeHandshake, encodeHandshake } from '../../src/wire/handshake.ts'
import { decodeHashRequest, encodeHashes } from '../../src/wire/hash-messages.ts'
import { parseMagnet } from '../../src/wire/magnet.ts'
import { HashTree } from '../../src/wire/merkle.ts'
import { encodeMetadataMessage } from '../../src/wire/metadata-messages.ts'
import { handshakeHash, type Metainfo, parseMetainfo } from '../../src/wire/metainfo.ts'
import { MESSAGE, MessageWriter } from '../../src/wire/peer-messages.ts'
import { torrentFixture } from '../kit/torrent-fixture.ts'

const PEER = -1

class World {
  readonly whole: Metainfo
  readonly outputs: SwarmOutput[] = []
  readonly #client: Client
  #now = 1_000_000

  constructor(format: 'v2' | 'hybrid') {
    const fixture = torrentFixture({ format, files: { a: 200_000, b: 90_000, c: 5 }, pieceLength: 32_768 })
    const parsed = parseMetainfo(new Uint8Array(fixture.bytes), nodeCrypto)
    if (!parsed.ok) throw new Error(parsed.error.message)
    this.whole = parsed.value
    const magnet = parseMagnet(fixture.magnet())
    if (!magnet.ok) throw new Error(magnet.error.message)
    this.#client = new Client(
      instant(this.#now),
      {
        peerId: new Uint8Array(20).fill(1),
        clientName: 'test',
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
    const options = {
      metainfo: metainfoOfMagnet(magnet.value),
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
    } as const
    this.#input({ kind: 'add-magnet', torrent: 1, options })
  }

  /** A peer comes with the metadata; what it is asked for then. */
  comes(supportsV2 = true, connection = PEER): Uint8Array[] {
    const before = this.outputs.length
    this.#input({ kind: 'incoming', connection, address: { host: `10.0.0.${-connection}`, port: 9 } })
    const infoHash = handshakeHash(this.whole)
    const peerId = new Uint8Array(20).fill(9 - connection)
    const flags = { supportsExtensions: true, supportsFast: true, supportsV2 }
    this.#receive(connection, encodeHandshake({ infoHash, peerId, ...flags }))
    const { infoBytes } = this.whole
    const writer = new MessageWriter()
    const messages = new Map([['ut_metadata', 1]])
    const facts = { client: 'x', listenPort: 1, requestQueueLength: 9, isUploadOnly: false }
    writer.extended(0, encodeExtensionHandshake({ ...facts, messages, metadataSize: infoBytes.length }))
    const data = { kind: 'data', part: 0, totalSize: infoBytes.length, bytes: infoBytes } as const
    writer.extended(2, encodeMetadataMessage(data))
    this.#receive(connection, writer.take())
    return this.outputs
      .slice(before)
      .flatMap((output) => (output.kind === 'send' ? hashRequests(output.bytes) : []))
  }

  /** What a peer with the torrent would answer. */
  answer(payload: Uint8Array, spoil = (hashes: Uint8Array) => hashes, connection = PEER): void {
    const request = decodeHashRequest(payload)
    const root = Buffer.from(request.root).toString('hex')
    const file = this.whole.files.find(
      ({ piecesRoot }) => piecesRoot !== null && Buffer.from(piecesRoot).toString('hex') === root,
    )!
    const tree = new HashTree(file.pieceLayer!, 1, Math.ceil(file.length / 16_384), nodeCrypto)
    this.say(MESSAGE.hashes, encodeHashes({ request, hashes: spoil(tree.answer(request)!) }), connection)
  }

  say(type: number, payload: Uint8Array, connection = PEER): void {
    const writer = new MessageWriter()
    writer.bytes(type, payload)
    this.#receive(connection, writer.take())
  }

  pass(secondsLong: number): void {
    for (let i = 0; i < secondsLong; i++) {
      this.#now += seconds(1)
      this.#input({ kind: 'tick' })
    }
  }

  /** Files that have their piece layer in what was told; undefined when nothing was. */
  get layerCount(): number | undefined {
    const told = this.outputs.filter((output) => output.kind === 'metadata')
    expect(told.length).toBeLessThan(2)
    const [output] = told
    if (output === undefined || !output.result.ok) return undefined
    return output.result.value.files.filter(({ pieceLayer }) => pieceLayer !== null).length
  }

  get closes(): string[] {
    return this.outputs.flatMap((output) => (output.kind === 'close' ? [output.reason] : []))
  }

  get greeting() {
    const output = this.outputs.find((sent) => sent.kind === 'send')
    const decoded = output?.kind === 'send' ? decodeHandshake(output.bytes.subarray(0, 68)) : undefined
    return decoded?.ok ? decoded.value : undefined
  }

  #receive(connection: number, bytes: Uint8Array): void {
    this.#input({ kind: 'received', connection, bytes })
  }

  #input(input: SwarmInput): void {
    this.#client.handle(instant(this.#now), input)
    for (let output = this.#client.poll(); output !== undefined; output = this.#client.poll())
      this.outputs.push(output)
  }
}

function hashRequests(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const found: Uint8Array[] = []
  for (let at = bytes[0] === 19 ? 68 : 0; at < bytes.length; at += 4 + view.getUint32(at))
    if (bytes[at + 4] === MESSAGE.hashRequest) found.push(bytes.slice(at + 5, at + 53))
  return found
}

describe.each(['v2', 'hybrid'] as const)('a magnet link, %s', (format) => {
  it('gets its piece layers from a peer that has them', () => {
    const world = new World(format)
    const requests = world.comes()
    expect(requests).toHaveLength(2)
    expect(world.layerCount).toBeUndefined()
    for (const request of requests) world.answer(request)
    expect(world.layerCount).toBe(2)
    expect(world.greeting?.supportsV2).toBe(true)
  })

  it('bans a peer whose hashes lead nowhere, and believes none of them', () => {
    const world = new World(format)
    const [request] = world.comes()
    world.answer(request!, (hashes) => hashes.map((byte, at) => (at === 3 ? byte ^ 1 : byte)))
    expect(world.closes).toEqual(['banned'])
    const requests = world.comes(true, -2)
    if (format === 'hybrid') expect(world.layerCount).toBe(0)
    else for (const payload of requests) world.answer(payload, undefined, -2)
    if (format === 'v2') expect(world.layerCount).toBe(2)
  })
})

describe('without piece layers', () => {
  it('a hybrid begins when the peer refuses, does not know v2, or stays silent for a few seconds', () => {
    const refused = new World('hybrid')
    for (const request of refused.comes()) refused.say(MESSAGE.hashReject, request)
    expect(refused.layerCount).toBe(0)

    const unaware = new World('hybrid')
    expect(unaware.comes(false)).toEqual([])
    expect(unaware.layerCount).toBe(0)

    const silent = new World('hybrid')
    silent.comes()
    silent.pass(3)
    expect(silent.layerCount).toBeUndefined()
    silent.pass(3)
    expect(silent.layerCount).toBe(0)
  })

  it('a v2 torrent waits, and asks again', () => {
    const world = new World('v2')
    const requests = world.comes()
    for (const request of requests) world.say(MESSAGE.hashReject, request)
    expect(world.layerCount).toBeUndefined()
    const before = world.outputs.length
    world.pass(12)
    const again = world.outputs.slice(before).flatMap((o) => (o.kind === 'send' ? hashRequests(o.bytes) : []))
    expect(again.length).toBeGreaterThan(0)
    for (const request of again) world.answer(request)
    expect(world.layerCount).toBe(2)
  })
})
