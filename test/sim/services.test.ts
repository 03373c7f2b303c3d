/** Claims and counters asked of one peer, in virtual time, by askers that keep the rules and by others. */
import { expect, test } from 'vitest'
import { encodeUtf8, fromLatin1 } from '../../src/base/text.ts'
import { payloadTorrent } from '../../src/catalog/payload.ts'
import { nodeCrypto } from '../../src/nodejs/node-crypto.ts'
import { Counters } from '../../src/swarm/counters.ts'
import type { SwarmOutput } from '../../src/swarm/effects.ts'
import type { ServicesOptions } from '../../src/swarm/services.ts'
import { encodeBencode } from '../../src/wire/bencode.ts'
import {
  CLAIMS_EXTENSION,
  type ClaimsReply,
  decodeClaimsReply,
  encodeClaimsQuery,
} from '../../src/wire/claims-messages.ts'
import { encodeExtensionHandshake } from '../../src/wire/extension-handshake.ts'
import { FrameReader } from '../../src/wire/frame-reader.ts'
import { parseMetainfo } from '../../src/wire/metainfo.ts'
import { encodeMetainfo } from '../../src/wire/metainfo-writer.ts'
import { MESSAGE } from '../../src/wire/peer-messages.ts'
import { SERVICE_IDS, SERVICE_INFO_HASH } from '../../src/wire/services.ts'
import { decodeStatsReply, encodeStatsQuery, STATS_EXTENSION } from '../../src/wire/stats-messages.ts'
import { type Content, OneClient } from './one-client.ts'
import { content, metainfoOf } from './small-world.ts'

const PAYLOAD = payloadOf('asdaqwerzxcv1')
const OTHER = payloadOf('x'.repeat(40_000))
const ID = fromHexId(PAYLOAD)
const counters = new Counters()
const SERVICES: ServicesOptions = {
  stats: ({ allIds }) => ({ peerId: new Uint8Array(20), ids: allIds ? 2 : 1, counters: counters.all() }),
  tellsStatsTo: 'local',
}
/** Under which the askers here want their answers. */
const MINE = { claims: 7, stats: 8 }

function payloadOf(text: string): Content {
  const bytes = encodeUtf8(text)
  const parsed = parseMetainfo(encodeMetainfo(payloadTorrent(bytes, nodeCrypto).info, {}), nodeCrypto)
  if (!parsed.ok) throw new Error(parsed.error.message)
  return { metainfo: parsed.value, bytes }
}

function fromHexId({ metainfo }: Content): Uint8Array {
  return metainfo.infoHashV2!
}

class Asker {
  readonly sim: OneClient
  readonly connection: number
  readonly reader: FrameReader
  readonly replies: { id: number; body: Uint8Array }[] = []

  constructor(sim: OneClient, host = '127.0.0.1') {
    this.sim = sim
    this.reader = new FrameReader(
      {
        onMessage: (type, payload) => {
          if (type === MESSAGE.extended && payload[0]! > 0)
            this.replies.push({ id: payload[0]!, body: payload.slice(1) })
          return undefined
        },
        onHave: () => undefined,
        onRequest: () => undefined,
        onBlockStart: () => undefined,
        onBlockEnd: () => undefined,
        onKeepAlive: () => undefined,
      },
      0,
    )
    const service = { ...PAYLOAD, metainfo: { ...PAYLOAD.metainfo, infoHashV1: SERVICE_INFO_HASH } }
    this.connection = sim.peer(service, host, true)
    this.take(sim.outputs.splice(0), true)
    const messages = new Map([
      [CLAIMS_EXTENSION, MINE.claims],
      [STATS_EXTENSION, MINE.stats],
    ])
    this.say(0, encodeExtensionHandshake({ ...NOTHING, messages }))
  }

  say(id: number, body: Uint8Array): void {
    this.take(this.sim.say(this.connection, (writer) => writer.extended(id, body)))
  }

  take(outputs: readonly SwarmOutput[], isFirst = false): void {
    let skip = isFirst ? 68 : 0
    for (const output of outputs) {
      if (output.kind === 'read-blocks') this.#read(output)
      if (output.kind !== 'send' || output.connection !== this.connection) continue
      this.reader.push(output.bytes.subarray(skip))
      skip = 0
    }
  }

  claims(claims: readonly (readonly [number, string])[], payload = ID): ClaimsReply | undefined {
    this.say(
      SERVICE_IDS[CLAIMS_EXTENSION],
      encodeClaimsQuery({
        payload,
        claims: claims.map(([position, chunk]) => ({ position, chunk: encodeUtf8(chunk) })),
      }),
    )
    return this.lastClaims()
  }

  lastClaims(): ClaimsReply | undefined {
    const last = this.replies.at(-1)
    const reply = last && decodeClaimsReply(last.body)
    return reply?.ok ? reply.value : undefined
  }

  #read({ torrent, read, piece, begin, views }: Extract<SwarmOutput, { kind: 'read-blocks' }>): void {
    const { metainfo, bytes } = [PAYLOAD, OTHER][torrent - 1]!
    let at = piece * metainfo.pieceLength + begin
    for (const view of views) {
      view.set(bytes.subarray(at, at + view.length))
      at += view.length
    }
    this.take(this.sim.input({ kind: 'blocks-read', torrent, read, fault: undefined }))
  }
}

const NOTHING = {
  client: undefined,
  listenPort: undefined,
  requestQueueLength: undefined,
  isUploadOnly: false,
  metadataSize: undefined,
}

function holder(pieces = [0], services = SERVICES): OneClient {
  return new OneClient(PAYLOAD, {}, { services }, pieces)
}

test('claims in order are true, two chunks that changed places are false, in any order of asking', () => {
  const asker = new Asker(holder())
  const right: [number, string][] = [
    [0, 'asda'],
    [1, 'qwer'],
    [2, 'zxcv'],
    [3, '1'],
  ]
  expect(asker.claims(right)).toEqual({ kind: 'answered', isHeld: true, results: [true, true, true, true] })
  expect(
    asker.claims([
      [0, 'asda'],
      [1, 'zxcv'],
      [2, 'qwer'],
      [3, '1'],
    ]),
  ).toMatchObject({
    results: [true, false, false, true],
  })
  expect(
    asker.claims([
      [3, '1'],
      [0, 'asda'],
    ]),
  ).toMatchObject({ results: [true, true] })
  expect(asker.claims(right, PAYLOAD.metainfo.infoHashV1!)).toMatchObject({
    results: [true, true, true, true],
  })
})

test('positions that no chunk has are false', () => {
  const asker = new Asker(holder())
  expect(
    asker.claims([
      [-1, 'asda'],
      [4, 'asda'],
      [1e9, 'asda'],
      [Number.MAX_SAFE_INTEGER, 'asda'],
    ]),
  ).toEqual({
    kind: 'answered',
    isHeld: true,
    results: [false, false, false, false],
  })
})

test('a payload that is not there, or not whole, or private, is not held', () => {
  const unheld = { kind: 'answered', isHeld: false, results: [] }
  expect(new Asker(holder()).claims([[0, 'asda']], fromHexId(OTHER))).toEqual(unheld)
  expect(new Asker(holder([])).claims([[0, 'asda']])).toEqual(unheld)
  const secret = { ...PAYLOAD, metainfo: { ...PAYLOAD.metainfo, private: true } }
  expect(new Asker(new OneClient(secret, {}, { services: SERVICES }, [0])).claims([[0, 'asda']])).toEqual(
    unheld,
  )
})

test('a payload of several pieces is read whole', () => {
  const sim = holder()
  sim.add(2, OTHER, {}, [0, 1, 2])
  expect(
    new Asker(sim).claims(
      [
        [9999, 'xxxx'],
        [0, 'xxxy'],
      ],
      fromHexId(OTHER),
    ),
  ).toMatchObject({
    results: [true, false],
  })
})

test('what is no query is refused, and the next one answered', () => {
  const asker = new Asker(holder())
  const refused = (body: Uint8Array, reason: string) => {
    asker.say(SERVICE_IDS[CLAIMS_EXTENSION], body)
    expect(asker.lastClaims()).toEqual({ kind: 'refused', reason })
    expect(asker.claims([[0, 'asda']])).toMatchObject({ results: [true] })
  }
  refused(fromLatin1('nonsense'), 'corrupted')
  refused(encodeBencode({ claims: [{ chunk: 'asda', position: 0 }] }), 'corrupted')
  refused(encodeBencode({ payload: new Uint8Array(19), claims: [] }), 'corrupted')
  refused(encodeBencode({ payload: ID, claims: [{ chunk: 'asda', position: 'zero' }] }), 'corrupted')
  refused(encodeBencode({ payload: ID, claims: [{ position: 0 }] }), 'corrupted')
  refused(encodeBencode({ payload: ID, claims: 7 }), 'corrupted')
  const many = (count: number) => Array.from({ length: count }, () => ({ chunk: 'asda', position: 0 }))
  refused(encodeBencode({ payload: ID, claims: many(5) }), 'too-many-claims')
  refused(encodeBencode({ payload: ID, claims: many(5000) }), 'too-many-claims')
})

test('who asks without end is told that the peer is busy, until time has passed', () => {
  const sim = holder()
  const asker = new Asker(sim)
  for (let i = 0; i < 32; i++) expect(asker.claims([[0, 'asda']])).toMatchObject({ kind: 'answered' })
  expect(asker.claims([[0, 'asda']])).toEqual({ kind: 'refused', reason: 'busy' })
  sim.pass(1)
  expect(asker.claims([[0, 'asda']])).toMatchObject({ kind: 'answered' })
})

test('a connection for services ends by itself, and keeps no torrent busy', () => {
  const sim = new OneClient(
    PAYLOAD,
    {},
    { services: SERVICES, turns: { turnSeconds: 60, waitSeconds: 60, stallSeconds: 60 } },
    [0],
  )
  const peer = sim.peer()
  expect(sim.session(peer)).toBeDefined()
  const asker = new Asker(sim)
  expect(asker.claims([[0, 'asda']])).toMatchObject({ results: [true] })
  sim.outputs = []
  sim.pass(31)
  const closed = sim.outputs.filter(({ kind }) => kind === 'close')
  expect(closed).toMatchObject([{ connection: asker.connection }])
})

test('blocks and overlong messages end the connection', () => {
  const sim = holder()
  for (const bytes of [
    Uint8Array.of(0, 0, 0, 10, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    Uint8Array.of(0xff, 0xff, 0, 0, 20),
  ]) {
    const asker = new Asker(sim)
    expect(sim.receive(asker.connection, bytes)).toContainEqual(
      expect.objectContaining({ kind: 'close', reason: 'protocol-error' }),
    )
  }
})

test('without services the infohash is as unknown as any other', () => {
  const sim = new OneClient(PAYLOAD, {}, {}, [0])
  const asker = new Asker(sim)
  expect(asker.claims([[0, 'asda']])).toBeUndefined()
})

test('counters are told to this machine and its network, of one id or of all', () => {
  const sim = holder()
  const ask = (host: string, allIds = false) => {
    const asker = new Asker(sim, host)
    asker.say(SERVICE_IDS[STATS_EXTENSION], encodeStatsQuery({ allIds }))
    return decodeStatsReply(asker.replies.at(-1)!.body)
  }
  counters.count('claims_answered')
  const told = ask('127.0.0.1')
  expect(told.ok && told.value.ids === 1 && told.value.counters.get('claims_answered')).toBe(1)
  expect(ask('192.168.1.2', true)).toMatchObject({ ok: true, value: { ids: 2 } })
  expect(ask('8.8.8.8')).toMatchObject({ ok: false, error: { code: 'stats/refused' } })
})

test('a torrent of one small file that is no payload can be asked about as well', () => {
  const bytes = content(100)
  const sim = new OneClient({ metainfo: metainfoOf(bytes, 16_384), bytes }, {}, { services: SERVICES }, [0])
  const asker = new Asker(sim)
  asker.claims([[0, 'asda']], metainfoOf(bytes, 16_384).infoHashV1!)
  expect(asker.lastClaims()).toMatchObject({ kind: 'answered', isHeld: true })
})
