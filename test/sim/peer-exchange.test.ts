/** Peer exchange (BEP 11) of one machine with peers played by the test, and through a whole small swarm. */
import { describe, expect, it } from 'vitest'
import { fromLatin1 } from '../../src/base/text.ts'
import { encodeBencode } from '../../src/wire/bencode.ts'
import { encodeExtensionHandshake } from '../../src/wire/extension-handshake.ts'
import { FrameReader } from '../../src/wire/frame-reader.ts'
import { encodePeerExchange, PEX_FLAG } from '../../src/wire/peer-exchange.ts'
import { MESSAGE } from '../../src/wire/peer-messages.ts'
import { OneClient } from './one-client.ts'
import { BLOCK, content, metainfoOf, SmallWorld } from './small-world.ts'

const bytes = content(4 * BLOCK)
const CONTENT = { bytes, metainfo: metainfoOf(bytes, BLOCK) }
const PRIVATE = { bytes, metainfo: { ...CONTENT.metainfo, private: true } }
/** Under which the peers of these tests want the message; ours stands in our handshake. */
const THEIR_ID = 7
const OUR_ID = 1
const HANDSHAKE_LENGTH = 68

/** A peer that speaks BEP 10 and, unless it says 0, asked for peer exchange. */
function exchanger(world: OneClient, host: string, listenPort?: number, id = THEIR_ID): number {
  const connection = world.peer(undefined, host, true)
  const handshake = encodeExtensionHandshake({
    messages: new Map([['ut_pex', id]]),
    client: undefined,
    listenPort,
    requestQueueLength: undefined,
    isUploadOnly: false,
    metadataSize: undefined,
  })
  world.say(connection, (writer) => writer.extended(0, handshake))
  return connection
}

/** The messages under this extension id that the peer got, as Latin-1. */
function told(world: OneClient, connection: number, id = THEIR_ID): string[] {
  const messages: string[] = []
  let skip = HANDSHAKE_LENGTH
  const reader = new FrameReader(
    {
      onMessage: (type, payload) => {
        if (type === MESSAGE.extended && payload[0] === id)
          messages.push(String.fromCharCode(...payload.subarray(1)))
        return undefined
      },
      onHave: () => undefined,
      onRequest: () => undefined,
      onBlockStart: () => undefined,
      onBlockEnd: () => undefined,
      onKeepAlive: () => {},
    },
    CONTENT.metainfo.pieceCount,
  )
  for (const output of world.outputs) {
    if (output.kind !== 'send' || output.connection !== connection) continue
    reader.push(output.bytes.subarray(skip))
    skip = 0
  }
  return messages
}

function say(world: OneClient, connection: number, hosts: readonly string[], port = 6881): void {
  const added = hosts.map((host) => ({ host, port, flags: 0 }))
  world.say(connection, (writer) => writer.extended(OUR_ID, encodePeerExchange({ added, dropped: [] })))
}

/** Whether the first dial to each host began with the plain handshake, once it is connected. */
function saysPlainly(world: OneClient): Record<string, boolean> {
  const found: Record<string, boolean> = {}
  for (const output of [...world.outputs]) {
    if (output.kind !== 'connect') continue
    const { connection, endpoint } = output
    const [first] = world.input({ kind: 'connected', connection })
    if (first?.kind === 'send') found[endpoint.host] = first.bytes[0] === 19
  }
  return found
}

function dialled(world: OneClient): string[] {
  return world.outputs.flatMap((output) => (output.kind === 'connect' ? [output.endpoint.host] : []))
}

describe('who is said to prefer encryption', () => {
  const random = (length: number) => new Uint8Array(length).fill(0x5a)
  const added = [
    { host: '8.8.1.1', port: 6881, flags: PEX_FLAG.prefersEncryption },
    { host: '8.8.2.2', port: 6881, flags: 0 },
  ]

  it.each([
    ['prefer', { '8.8.1.1': false, '8.8.2.2': true }],
    ['off', { '8.8.1.1': true, '8.8.2.2': true }],
  ] as const)('is dialled so at once, if that is allowed (%s)', (mode, expected) => {
    const world = new OneClient(CONTENT, {}, { encryption: { mode, random } })
    const one = exchanger(world, '1.1.1.1')
    world.say(one, (writer) => writer.extended(OUR_ID, encodePeerExchange({ added, dropped: [] })))
    world.pass(5)
    expect(saysPlainly(world)).toEqual(expected)
  })
})

describe('what a peer is told', () => {
  it('is who listens where, nothing of those who do not say, and once', () => {
    const world = new OneClient(CONTENT)
    const one = exchanger(world, '1.1.1.1', 1111)
    const two = exchanger(world, '2.2.2.2', 0x6162)
    const mute = world.peer(undefined, '3.3.3.3')
    world.pass(10)
    const message =
      'd5:added6:\x02\x02\x02\x02ab7:added.f1:\x006:added60:8:added6.f0:7:dropped0:8:dropped60:e'
    expect(told(world, one)).toEqual([message])
    expect(told(world, two)).toHaveLength(1)
    world.pass(600)
    expect(told(world, one)).toEqual([message])
    expect(world.session(mute)).toBeDefined()
  })

  it('is news at most once a minute: who came, and who went', () => {
    const world = new OneClient(CONTENT)
    const one = exchanger(world, '1.1.1.1')
    exchanger(world, '2.2.2.2', 2)
    world.pass(5)
    const three = exchanger(world, '3.3.3.3', 3)
    world.pass(50)
    expect(told(world, one)).toHaveLength(1)
    world.pass(15)
    expect(told(world, one)).toHaveLength(2)
    expect(told(world, one)[1]).toContain('added6:\x03\x03\x03\x03\0\x03')
    world.leave(three)
    world.pass(65)
    expect(told(world, one)).toHaveLength(3)
    expect(told(world, one)[2]).toContain('dropped6:\x03\x03\x03\x03\0\x03')
  })

  it('is fifty at a time', () => {
    const world = new OneClient(CONTENT, { connectionsMax: 100 })
    const one = exchanger(world, '1.1.1.1')
    for (let i = 0; i < 70; i++) exchanger(world, `9.9.9.${i}`, 6881, 0)
    world.pass(10)
    expect(told(world, one).map((text) => /added(\d+):/.exec(text)?.[1])).toEqual(['300'])
    world.pass(60)
    expect(told(world, one).map((text) => /added(\d+):/.exec(text)?.[1])).toEqual(['300', '120'])
  })

  it('is not what lies in our own network, unless it is there too', () => {
    const world = new OneClient(CONTENT)
    exchanger(world, '192.168.1.2', 2)
    const far = exchanger(world, '1.1.1.1', 1)
    const near = exchanger(world, '192.168.1.3', 3)
    world.pass(10)
    expect(told(world, far)).toEqual([])
    expect(told(world, near)).toHaveLength(1)
  })

  it.each([
    ['of a private torrent (BEP 27)', PRIVATE, {}],
    ['when it is switched off', CONTENT, { exchangesPeers: false }],
  ])('is nothing %s, and nothing is believed', (_when, torrent, options) => {
    const world = new OneClient(torrent, options)
    const one = exchanger(world, '1.1.1.1')
    exchanger(world, '2.2.2.2', 2)
    say(world, one, ['5.5.5.5'])
    world.pass(100)
    expect(told(world, one)).toEqual([])
    expect(told(world, one, 0)[0]).not.toContain('ut_pex')
    expect(dialled(world)).toEqual([])
  })
})

describe('what a peer tells', () => {
  it('is dialled', () => {
    const world = new OneClient(CONTENT)
    say(world, exchanger(world, '1.1.1.1'), ['5.5.5.5', '6.6.6.6', '2001:db8::5'])
    world.pass(2)
    expect(dialled(world).sort()).toEqual(['2001:db8::5', '5.5.5.5', '6.6.6.6'])
  })

  it('is not dialled where we are connected already', () => {
    const world = new OneClient(CONTENT)
    const one = exchanger(world, '1.1.1.1')
    say(world, one, ['2.2.2.2'], 2222)
    exchanger(world, '2.2.2.2', 2222)
    world.pass(5)
    expect(dialled(world)).toEqual([])
  })

  it('is not dialled by a seed where it is a seed too, until something is missing again', () => {
    const world = new OneClient(CONTENT, { role: 'seed-only' }, {}, [0, 1, 2, 3])
    const added = [
      { host: '5.5.5.5', port: 1, flags: PEX_FLAG.isUploadOnly },
      { host: '6.6.6.6', port: 1, flags: 0 },
    ]
    const one = exchanger(world, '1.1.1.1')
    world.say(one, (writer) => writer.extended(OUR_ID, encodePeerExchange({ added, dropped: [] })))
    world.pass(30)
    expect(new Set(dialled(world))).toEqual(new Set(['6.6.6.6']))
    world.input({ kind: 'pieces-lost', torrent: 1, pieces: [2] })
    world.pass(30)
    expect(dialled(world)).toContain('5.5.5.5')
  })

  it('is no way into our network (S17)', () => {
    const world = new OneClient(CONTENT)
    say(world, exchanger(world, '1.1.1.1'), ['127.0.0.1', '192.168.1.1', '10.0.0.1', '::1', 'fe80::1'])
    say(world, exchanger(world, '192.168.1.2'), ['127.0.0.1', '192.168.1.9'])
    world.pass(5)
    expect(dialled(world)).toEqual(['192.168.1.9'])
  })

  it('is read three times in a row and then twice a minute (S17)', () => {
    const world = new OneClient(CONTENT, { connectionsMax: 1 })
    const one = exchanger(world, '1.1.1.1')
    for (let i = 0; i < 200; i++) say(world, one, [`5.5.${i}.1`])
    expect(world.torrent.peers.size).toBe(3)
    for (let i = 0; i < 600; i++) {
      say(world, one, [`6.${i >> 8}.${i & 255}.1`])
      world.pass(0.5)
    }
    expect(world.torrent.peers.size).toBeLessThanOrEqual(3 + 10)
    expect(world.torrent.peers.size).toBeGreaterThanOrEqual(3 + 9)
  })

  it('ends the session when it is no bencoded dictionary', () => {
    const world = new OneClient(CONTENT)
    const one = exchanger(world, '1.1.1.1')
    world.say(one, (writer) => writer.extended(OUR_ID, encodeBencode([1])))
    expect(world.session(one)).toBeUndefined()
  })

  it('is nothing to us from one that has not said what it understands', () => {
    const world = new OneClient(CONTENT)
    const one = world.peer(undefined, '1.1.1.1', true)
    world.say(one, (writer) => writer.extended(OUR_ID, fromLatin1('le')))
    expect(world.session(one)).toBeDefined()
  })
})

it('joins a swarm in which each knows only the one before it', () => {
  const world = new SmallWorld(CONTENT.metainfo, bytes, 3)
  const peers = Array.from({ length: 8 }, () => world.add({ options: { exchangesPeers: true } }))
  for (const [index, peer] of peers.entries()) if (index > 0) world.introduce(peer, peers[index - 1]!)
  expect(world.runUntil(() => peers.every((peer) => peer.torrent.core.sessions.size === 7), 300)).toBe(true)
})
