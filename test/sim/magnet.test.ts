/**
 * A magnet link in the swarm machine, from its first dial to a running download: metadata from peers, and the
 * connections that go on as those of the whole torrent, whatever was said on them before.
 */
import { describe, expect, it } from 'vitest'
import { concatBytes, toHex } from '../../src/base/bytes.ts'
import { ok } from '../../src/base/result.ts'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import type { SwarmEvent } from '../../src/swarm/events.ts'
import { metainfoOfMagnet } from '../../src/swarm/magnet-torrent.ts'
import type { TorrentOptions } from '../../src/swarm/torrent-options.ts'
import { encodeExtensionHandshake } from '../../src/wire/extension-handshake.ts'
import { decodeHandshake, encodeHandshake } from '../../src/wire/handshake.ts'
import { parseMagnet } from '../../src/wire/magnet.ts'
import { decodeMetadataMessage, encodeMetadataMessage } from '../../src/wire/metadata-messages.ts'
import { type Metainfo, parseMetainfo } from '../../src/wire/metainfo.ts'
import { MESSAGE, MessageWriter } from '../../src/wire/peer-messages.ts'
import { trackerFailure } from '../../src/wire/tracker-announce.ts'
import { torrentFixture } from '../kit/torrent-fixture.ts'
import { blockFrame, type Content, OneClient } from './one-client.ts'

const PART = 16_384
/** Their number for metadata messages. */
const THEIRS = 7
const MAGNET = 2
const TRACKER = 'http://127.0.0.1:1/announce'

function made(pieceLength: number): Content {
  const fixture = torrentFixture({ files: { fixture: 1_000_000 }, pieceLength })
  const metainfo = parseMetainfo(new Uint8Array(fixture.bytes), nodeCrypto)
  if (!metainfo.ok) throw new Error(metainfo.error.message)
  return { metainfo: metainfo.value, bytes: new Uint8Array(fixture.files.get('fixture')!) }
}

/** 31 pieces; and one whose dictionary has two parts. */
const BOOK = made(32_768)
const LONG = made(1024)
const OTHER = made(65_536)

type Says = (writer: MessageWriter) => void

class World extends OneClient {
  readonly content: Content
  readonly options: TorrentOptions
  readonly parts: string[] = []
  #peerCount = 0
  #taken = 0

  constructor(content: Content = BOOK) {
    super(OTHER)
    this.content = content
    const { infoHashV1 } = content.metainfo
    const magnet = parseMagnet(`magnet:?xt=urn:btih:${Buffer.from(infoHashV1!).toString('hex')}`)
    if (!magnet.ok) throw new Error(magnet.error.message)
    this.options = {
      ...this.torrent.core.options,
      metainfo: metainfoOfMagnet(magnet.value),
      trackers: [[TRACKER]],
    }
    this.input({ kind: 'add-magnet', torrent: MAGNET, options: this.options })
  }

  get events(): SwarmEvent[] {
    return this.outputs.flatMap((output) =>
      output.kind === 'event' && output.torrent === MAGNET ? [output.event] : [],
    )
  }

  get metadata() {
    return this.outputs.flatMap((output) => (output.kind === 'metadata' ? [output.result] : []))
  }

  get announces() {
    return this.outputs.flatMap((output) => (output.kind === 'announce' ? [output] : []))
  }

  get closes(): string[] {
    return this.outputs.flatMap((output) =>
      output.kind === 'close' ? [`${output.connection} ${output.reason}`] : [],
    )
  }

  /** Whole messages that went to this connection since the last time, as [type, payload]. */
  heard(connection: number): [number, Uint8Array][] {
    const outputs = this.outputs.slice(this.#taken)
    this.#taken = this.outputs.length
    const bytes = concatBytes(
      outputs.flatMap((output) =>
        output.kind === 'send' && output.connection === connection ? [output.bytes] : [],
      ),
    )
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const messages: [number, Uint8Array][] = []
    for (let at = bytes[0] === 19 ? 68 : 0; at < bytes.length; ) {
      const length = view.getUint32(at)
      if (length > 0) messages.push([bytes[at + 4]!, bytes.subarray(at + 5, at + 4 + length)])
      at += 4 + length
    }
    return messages
  }

  /** A dial that is answered with a handshake, and then with what is said. */
  dialled(says: Says = () => {}): number {
    const port = 5000 + ++this.#peerCount
    const before = this.outputs.length
    this.input({ kind: 'add-peers', torrent: MAGNET, peers: [{ host: '10.0.0.1', port }], source: 'manual' })
    const connect = this.outputs.slice(before).find((output) => output.kind === 'connect')
    if (connect?.kind !== 'connect') throw new Error('nobody was dialled')
    this.input({ kind: 'connected', connection: connect.connection })
    this.#greet(connect.connection, says)
    return connect.connection
  }

  /** A peer that comes by itself. */
  came(says: Says = () => {}): number {
    const connection = -(1000 + ++this.#peerCount)
    this.input({ kind: 'incoming', connection, address: { host: '10.0.0.2', port: 9 } })
    this.#greet(connection, says)
    return connection
  }

  #greet(connection: number, says: Says): void {
    this.receive(
      connection,
      encodeHandshake({
        infoHash: this.content.metainfo.infoHashV1!,
        peerId: new Uint8Array(20).fill(this.#peerCount + 40),
        supportsExtensions: true,
        supportsFast: true,
        supportsV2: false,
      }),
    )
    this.say(connection, says)
  }

  /** Says that it has a dictionary of this size. */
  offers(writer: MessageWriter, metadataSize = this.content.metainfo.infoBytes.length): void {
    const facts = { client: 'x', listenPort: 1, requestQueueLength: 9, isUploadOnly: false }
    writer.extended(
      0,
      encodeExtensionHandshake({ ...facts, messages: new Map([['ut_metadata', THEIRS]]), metadataSize }),
    )
  }

  /** Answers the requests for parts that are open at this connection. */
  servesMetadata(connection: number, spoil: (part: Uint8Array) => Uint8Array = (part) => part): void {
    for (const [type, payload] of this.heard(connection)) {
      if (type !== MESSAGE.extended || payload[0] !== THEIRS) continue
      const message = decodeMetadataMessage(payload.subarray(1))
      if (!message.ok || message.value?.kind !== 'request') throw new Error('not a request')
      const { part } = message.value
      this.parts.push(`${connection}/${part}`)
      const { infoBytes } = this.content.metainfo
      const bytes = spoil(infoBytes.slice(part * PART, (part + 1) * PART))
      this.say(connection, (writer) =>
        writer.extended(2, encodeMetadataMessage({ kind: 'data', part, totalSize: infoBytes.length, bytes })),
      )
    }
  }

  /** What the people around the machine do when the metadata has come. */
  addsTorrent(pieces: number[] = []): void {
    const [result] = this.metadata
    if (result?.ok !== true) throw new Error('no metadata')
    this.input({
      kind: 'add-torrent',
      torrent: MAGNET,
      options: { ...this.options, metainfo: result.value },
    })
    this.input({ kind: 'checked', torrent: MAGNET, pieces })
  }

  get whole(): Metainfo {
    return this.client.torrents.get(MAGNET)!.core.options.metainfo
  }
}

const ready: Says = (writer) => {
  writer.plain(MESSAGE.haveAll)
  writer.plain(MESSAGE.unchoke)
}

describe('a magnet link', () => {
  it('gets its metadata from the peers it dials, and goes on with the same connections', () => {
    const world = new World(LONG)
    const peer = world.dialled((writer) => {
      world.offers(writer)
      ready(writer)
    })
    world.servesMetadata(peer)
    expect(world.parts.sort()).toEqual([`${peer}/0`, `${peer}/1`])
    expect(world.metadata).toHaveLength(1)
    world.addsTorrent()
    expect(world.whole.pieceCount).toBe(LONG.metainfo.pieceCount)
    expect(world.session(peer)).toMatchObject({ peerChoking: false, amInterested: true, isSeed: true })
    world.serve(peer, 30, LONG)
    expect(world.client.torrents.get(MAGNET)?.isComplete).toBe(true)
    expect(world.events.filter(({ event }) => event === 'peer-connected')).toHaveLength(1)
    expect(world.closes).toEqual([`${peer} both-seeds`])
  })

  it.each([
    [
      'a bitfield, then a piece more',
      (w: MessageWriter) => {
        w.bitfield(Uint8Array.of(0xf0, 0, 0, 0))
        w.number(MESSAGE.have, 9)
      },
      [0, 1, 2, 3, 9],
    ],
    [
      'nothing, then two pieces',
      (w: MessageWriter) => {
        w.plain(MESSAGE.haveNone)
        w.number(MESSAGE.have, 30)
        w.number(MESSAGE.have, 4)
      },
      [4, 30],
    ],
  ] as const)('remembers that a peer told of %s', (_, says, pieces) => {
    const world = new World()
    const teller = world.came((writer) => {
      says(writer)
      writer.plain(MESSAGE.interested)
    })
    world.servesMetadata(world.dialled((writer) => world.offers(writer)))
    world.addsTorrent()
    expect([...(world.session(teller)?.have.ones() ?? [])]).toEqual(pieces)
    expect(world.session(teller)).toMatchObject({ peerInterested: true, peerChoking: true })
  })

  it('goes on in the middle of a message', () => {
    const writer = new MessageWriter()
    writer.number(MESSAGE.have, 5)
    writer.bitfield(Uint8Array.of(0, 0, 0, 2))
    const block = blockFrame(BOOK, 0, 0)
    const bytes = concatBytes([writer.take(), block, Uint8Array.of(0, 0, 0, 1, MESSAGE.unchoke)])
    for (let cut = 0; cut < bytes.length; cut += cut < 60 ? 1 : 4999) {
      const world = new World()
      const peer = world.came()
      world.receive(peer, bytes.slice(0, cut))
      world.servesMetadata(world.dialled((w) => world.offers(w)))
      world.addsTorrent()
      world.receive(peer, bytes.slice(cut))
      expect(world.session(peer)?.peerChoking, `cut at ${cut}`).toBe(false)
      expect([...world.session(peer)!.have.ones()]).toEqual([30])
    }
  })

  it('hears what peers say while the files are being checked', () => {
    const world = new World()
    const peer = world.dialled((writer) => world.offers(writer))
    world.servesMetadata(peer)
    const [result] = world.metadata
    if (!result?.ok) throw new Error('no metadata')
    world.input({
      kind: 'add-torrent',
      torrent: MAGNET,
      options: { ...world.options, metainfo: result.value },
    })
    world.say(peer, ready)
    world.pass(60)
    world.input({ kind: 'checked', torrent: MAGNET, pieces: [3] })
    expect(world.session(peer)).toMatchObject({ peerChoking: false, isSeed: true })
    // It was told "nothing" before; now it hears of the piece that was on disk.
    const haves = world.heard(peer).filter(([type]) => type === MESSAGE.have)
    expect(haves.map(([, payload]) => payload[3])).toEqual([3])
  })

  it('says at first that it has nothing, and later how long its metadata is', () => {
    const world = new World()
    const peer = world.dialled((writer) => world.offers(writer))
    const greeting = world.outputs.find((output) => output.kind === 'send' && output.connection === peer)
    if (greeting?.kind !== 'send') throw new Error('no greeting')
    const handshake = decodeHandshake(greeting.bytes.subarray(0, 68))
    expect(handshake.ok && toHex(handshake.value.infoHash)).toBe(toHex(BOOK.metainfo.infoHashV1!))
    const text = (messages: [number, Uint8Array][]) =>
      messages.map(([type, payload]) => `${type} ${Buffer.from(payload).toString('latin1')}`).join('\n')
    const before = text(world.heard(peer))
    expect(before).toMatch(new RegExp(`^${MESSAGE.haveNone} `, 'm'))
    expect(before).not.toContain('metadata_size')
    world.say(peer, (writer) => world.offers(writer))
    const whole = new World()
    const other = whole.dialled((writer) => whole.offers(writer))
    whole.servesMetadata(other)
    whole.addsTorrent()
    expect(text(whole.heard(other))).toContain(`metadata_sizei${BOOK.metainfo.infoBytes.length}e`)
  })

  it('bans a peer that sends a wrong dictionary twice, and refuses a size that is not kept', () => {
    const world = new World(LONG)
    const liar = world.dialled((writer) => world.offers(writer))
    for (let i = 0; i < 4; i++) world.servesMetadata(liar, (part) => part.map((byte) => byte ^ 1))
    expect(world.closes).toEqual([`${liar} banned`])
    const lengths = world.came((writer) => world.offers(writer, LONG.metainfo.infoBytes.length + 5))
    world.servesMetadata(lengths)
    expect(world.closes).toContain(`${lengths} protocol-error`)
    const honest = world.came((writer) => world.offers(writer))
    world.servesMetadata(honest)
    expect(world.metadata.map(({ ok }) => ok)).toEqual([true])
  })

  it('goes to another peer when one vanishes or refuses', () => {
    const world = new World(LONG)
    const first = world.dialled((writer) => world.offers(writer))
    const second = world.came((writer) => world.offers(writer))
    world.leave(first)
    const refusal = encodeMetadataMessage({ kind: 'reject', part: 0 })
    world.say(second, (writer) => writer.extended(2, refusal))
    const third = world.came((writer) => world.offers(writer))
    world.servesMetadata(third)
    world.pass(30)
    world.servesMetadata(third)
    world.servesMetadata(second)
    expect(world.metadata.map(({ ok }) => ok)).toEqual([true])
  })

  it('reads names by the same policy as a file: none leads out of the folder (S01)', () => {
    const fixture = torrentFixture({ name: '../up', files: { '../../etc/passwd': 50_000, 'a/./b': 60_000 } })
    const parsed = parseMetainfo(new Uint8Array(fixture.bytes), nodeCrypto)
    if (!parsed.ok) throw new Error(parsed.error.message)
    const world = new World({ metainfo: parsed.value, bytes: new Uint8Array(0) })
    world.servesMetadata(world.dialled((writer) => world.offers(writer)))
    const [result] = world.metadata
    if (!result?.ok) throw new Error('no metadata')
    const names = [result.value.name, ...result.value.files.flatMap(({ path }) => path)]
    for (const name of names) expect(name).not.toMatch(/^\.{0,2}$|\//)
  })

  it('says so when peers have something with the right hash that is no torrent', () => {
    const infoBytes = new Uint8Array(Buffer.from('d4:name1:xe'))
    const infoHashV1 = nodeCrypto.sha1(infoBytes)
    const world = new World({ ...BOOK, metainfo: { ...BOOK.metainfo, infoBytes, infoHashV1 } })
    world.servesMetadata(world.dialled((writer) => world.offers(writer)))
    expect(world.metadata).toMatchObject([{ ok: false }])
  })

  it('ends the session of a peer that tells of pieces without end', () => {
    const world = new World()
    const peer = world.came()
    world.say(peer, (writer) => {
      for (let piece = 0; piece < 70_000; piece++) writer.number(MESSAGE.have, piece)
    })
    expect(world.closes).toEqual([`${peer} protocol-error`])
  })

  it('announces that something is left, once, and tells the tracker when it stops', () => {
    const world = new World()
    expect(world.announces.map(({ url, request }) => [url, request.event, request.left > 0])).toEqual([
      [TRACKER, 'started', true],
    ])
    const peers: never[] = []
    const answer = (index: number, result = ok({ intervalSeconds: 1800, peers })) =>
      world.input({
        kind: 'announce-answered',
        torrent: MAGNET,
        announce: world.announces[index]!.announce,
        result,
      })
    world.servesMetadata(world.dialled((writer) => world.offers(writer)))
    const [result] = world.metadata
    if (!result?.ok) throw new Error('no metadata')
    const whole = { ...world.options, metainfo: result.value }
    world.input({ kind: 'add-torrent', torrent: MAGNET, options: whole })
    answer(0)
    expect(world.announces).toHaveLength(1)
    world.input({ kind: 'stop' })
    expect(world.announces.at(-1)?.request.event).toBe('stopped')
    answer(1)
    expect(world.outputs.at(-1)?.kind).toBe('stopped')
  })

  it('that finds nobody stops in good order', () => {
    const world = new World()
    world.input({
      kind: 'announce-answered',
      torrent: MAGNET,
      announce: world.announces[0]!.announce,
      result: trackerFailure('down'),
    })
    world.input({ kind: 'stop' })
    world.pass(10)
    expect(world.outputs.at(-1)?.kind).toBe('stopped')
  })
})

describe('serving metadata', () => {
  it('gives parts, refuses what is not there, and does not let itself be flooded', () => {
    const world = new World()
    const peer = world.peer(OTHER)
    const request = (part: number) => encodeMetadataMessage({ kind: 'request', part })
    world.say(peer, (writer) => {
      world.offers(writer, 1)
      writer.extended(2, request(0))
      writer.extended(2, request(1))
    })
    const { infoBytes } = OTHER.metainfo
    const answers = () =>
      world
        .heard(peer)
        .filter(([type, payload]) => type === MESSAGE.extended && payload[0] === THEIRS)
        .map(([, payload]) => decodeMetadataMessage(payload.subarray(1)))
    expect(answers()).toEqual([
      ok({ kind: 'data', part: 0, totalSize: infoBytes.length, bytes: infoBytes }),
      ok({ kind: 'reject', part: 1 }),
    ])
    world.say(peer, (writer) => {
      for (let i = 0; i < 500; i++) writer.extended(2, request(0))
    })
    const kinds = answers().map((answer) => (answer.ok ? answer.value?.kind : 'fault'))
    expect(kinds).toHaveLength(500)
    expect(kinds.filter((kind) => kind === 'data').length).toBeLessThan(70)
    world.pass(10)
    world.say(peer, (writer) => writer.extended(2, request(0)))
    expect(answers()).toMatchObject([{ value: { kind: 'data' } }])
  })
})
