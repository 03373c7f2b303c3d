/**
 * A hybrid is dialled under its v1 infohash; who can go on as v2 says so by a bit, and is answered by the v2
 * infohash (BEP 52). Hashes are asked only of connections that went on as v2, as
 * libtorrent ends others for it.
 */
import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/base/bytes.ts'
import { decodeHandshake, encodeHandshake, HANDSHAKE_LENGTH } from '../../src/wire/handshake.ts'
import { contentAs, OneClient } from './one-client.ts'

const CONTENT = contentAs('hybrid', 2, 4)
const V1 = CONTENT.metainfo.infoHashV1!
const V2 = CONTENT.metainfo.infoHashV2!.subarray(0, 20)

function handshake(infoHash: Uint8Array, supportsV2: boolean): Uint8Array {
  const peerId = new Uint8Array(20).fill(8)
  return encodeHandshake({ infoHash, peerId, supportsExtensions: false, supportsFast: true, supportsV2 })
}

/** The infohash and the bit that the machine sent on this connection. */
function sent(world: OneClient, connection: number) {
  const output = world.outputs.find((one) => one.kind === 'send' && one.connection === connection)
  const bytes = output?.kind === 'send' ? output.bytes.subarray(0, HANDSHAKE_LENGTH) : new Uint8Array(0)
  const decoded = decodeHandshake(bytes)
  if (!decoded.ok) throw new Error(decoded.error.message)
  return { name: toHex(decoded.value.infoHash), supportsV2: decoded.value.supportsV2 }
}

describe('who dials us', () => {
  it.each([
    ['as v1 and can do v2 is answered as v2', V1, true, V2, true],
    ['as v1 is answered as v1', V1, false, V1, false],
    ['as v2 is answered as v2, whatever the bit says', V2, false, V2, true],
  ] as const)('%s', (_, named, bit, answered, speaksV2) => {
    const world = new OneClient(CONTENT)
    world.input({ kind: 'incoming', connection: -9, address: { host: '10.0.0.1', port: 9 } })
    world.receive(-9, handshake(named, bit))
    expect(sent(world, -9).name).toBe(toHex(answered))
    expect(world.session(-9)?.supportsV2).toBe(speaksV2)
  })

  it('for a torrent of version 1 is answered as v1, with the bit or without', () => {
    const content = contentAs('v1', 2, 4)
    const world = new OneClient(content)
    world.input({ kind: 'incoming', connection: -9, address: { host: '10.0.0.1', port: 9 } })
    world.receive(-9, handshake(content.metainfo.infoHashV1!, true))
    expect(sent(world, -9).name).toBe(toHex(content.metainfo.infoHashV1!))
    expect(world.session(-9)?.supportsV2).toBe(false)
  })
})

describe('whom we dial', () => {
  it.each([
    ['answers as v2, without the bit, as libtorrent does', V2, false, true],
    ['answers as v1', V1, true, false],
  ] as const)('%s', (_, answered, bit, speaksV2) => {
    const world = new OneClient(CONTENT)
    world.input({ kind: 'add-peers', torrent: 1, peers: [{ host: '10.0.0.1', port: 9 }], source: 'manual' })
    const dialled = world.outputs.find((output) => output.kind === 'connect')
    const connection = dialled?.kind === 'connect' ? dialled.connection : 0
    world.input({ kind: 'connected', connection })
    expect(sent(world, connection)).toEqual({ name: toHex(V1), supportsV2: true })
    world.receive(connection, handshake(answered, bit))
    expect(world.session(connection)?.supportsV2).toBe(speaksV2)
  })
})
