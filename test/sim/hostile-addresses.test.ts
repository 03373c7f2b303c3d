/** Addresses named by others: they must not turn us on a victim or into our own network (S17). */
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../src/base/limits.ts'
import { ok } from '../../src/base/result.ts'
import type { AddressScope } from '../../src/wire/address-scope.ts'
import type { Endpoint } from '../../src/wire/endpoint.ts'
import { encodeHandshake } from '../../src/wire/handshake.ts'
import { OneClient } from './one-client.ts'
import { BLOCK, content, metainfoOf } from './small-world.ts'

const bytes = content(4 * BLOCK)
const CONTENT = { bytes, metainfo: metainfoOf(bytes, BLOCK) }
const VICTIM = '203.0.113.7'

function endpoints(count: number, at: (index: number) => Endpoint): Endpoint[] {
  return Array.from({ length: count }, (_, index) => at(index))
}

function named(world: OneClient, peers: readonly Endpoint[], from?: AddressScope): void {
  world.input({ kind: 'add-peers', torrent: 1, peers, source: 'tracker', ...(from && { from }) })
}

/** Time passes, and every dial is refused at once. Gives whom it dialled. */
function refuse(world: OneClient, secondsLong: number): Endpoint[] {
  const dialled: Endpoint[] = []
  const take = (): void => {
    const outputs = world.outputs.splice(0)
    for (const output of outputs) {
      if (output.kind !== 'connect') continue
      dialled.push(output.endpoint)
      world.input({ kind: 'closed', connection: output.connection, reason: 'refused' })
    }
    if (outputs.length > 0) take()
  }
  take()
  for (let i = 0; i < secondsLong * 4; i++) {
    world.pass(0.25)
    take()
  }
  return dialled
}

describe('ten thousand poisoned addresses (S17)', () => {
  it('of one victim cost it a few dials', () => {
    const world = new OneClient(CONTENT)
    for (let i = 0; i < 50; i++) {
      const peers = endpoints(200, (n) => ({ host: VICTIM, port: 1 + 200 * i + n }))
      named(world, peers, 'global')
    }
    expect(world.torrent.peers.size).toBe(LIMITS.knownPeersPerHostMax.value)
    expect(refuse(world, 300)).toHaveLength(LIMITS.dialsPerHostMax.value)
    // After that one in ten minutes.
    expect(refuse(world, 3600).length).toBeLessThanOrEqual(6)
  })

  it('cost each victim as few when there are many, and several torrents', () => {
    const world = new OneClient(CONTENT)
    const other = metainfoOf(content(4 * BLOCK, 2), BLOCK)
    world.add(2, { bytes, metainfo: other })
    for (const torrent of [1, 2]) {
      const peers = endpoints(5000, (n) => ({ host: `198.51.100.${n % 50}`, port: 1 + n }))
      world.input({ kind: 'add-peers', torrent, peers, source: 'pex', from: 'global' })
    }
    const counts = new Map<string, number>()
    for (const { host } of refuse(world, 120)) counts.set(host, (counts.get(host) ?? 0) + 1)
    expect(counts.size).toBe(50)
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(LIMITS.dialsPerHostMax.value)
  })

  it('are dialled no faster than the limit allows', () => {
    const world = new OneClient(CONTENT)
    named(
      world,
      endpoints(4000, (n) => ({ host: `9.${n >> 8}.${n & 255}.1`, port: 6881 })),
      'global',
    )
    const perSecond = LIMITS.dialsPerSecondMax.value
    expect(refuse(world, 10).length).toBeLessThanOrEqual(11 * perSecond)
    expect(refuse(world, 10).length).toBeGreaterThan(5 * perSecond)
  })
})

describe('a host of many peers', () => {
  it('is dialled as often as it answers', () => {
    const world = new OneClient(CONTENT)
    const count = 30
    named(
      world,
      endpoints(count, (n) => ({ host: VICTIM, port: 1000 + n })),
      'global',
    )
    let answered = 0
    for (let i = 0; i < 100; i++) {
      for (const output of world.outputs.splice(0)) {
        if (output.kind !== 'connect') continue
        const { connection } = output
        world.input({ kind: 'connected', connection })
        const handshake = {
          infoHash: CONTENT.metainfo.infoHashV1!,
          peerId: new Uint8Array(20).fill(++answered),
          supportsExtensions: false,
          supportsFast: false,
          supportsV2: false,
        }
        world.receive(connection, encodeHandshake(handshake))
      }
      world.pass(0.25)
    }
    expect(answered).toBe(count)
  })

  it('may be the one we are on', () => {
    const world = new OneClient(CONTENT)
    named(
      world,
      endpoints(50, (n) => ({ host: '127.0.0.1', port: 1000 + n })),
      'machine',
    )
    expect(refuse(world, 3)).toHaveLength(50)
  })

  it('is the business of the user who names it himself', () => {
    const world = new OneClient(CONTENT)
    const peers = endpoints(20, (n) => ({ host: VICTIM, port: 1000 + n }))
    world.input({ kind: 'add-peers', torrent: 1, peers, source: 'manual' })
    expect(refuse(world, 3)).toHaveLength(20)
  })
})

describe('addresses that are not dialled (S17)', () => {
  const ANY: Endpoint = { host: '8.8.8.8', port: 6881 }
  it.each<[string, Endpoint, AddressScope | undefined, boolean]>([
    ['a public one from anybody', ANY, 'global', true],
    ['this machine, from the Internet', { host: '127.0.0.1', port: 80 }, 'global', false],
    ['this machine, by its other name', { host: '::1', port: 80 }, 'global', false],
    ['this machine, in IPv6 clothes', { host: '::ffff:127.0.0.1', port: 80 }, 'global', false],
    ['this machine, as nowhere', { host: '0.0.0.0', port: 80 }, undefined, false],
    ['this machine, from the local network', { host: '127.0.0.1', port: 80 }, 'local', false],
    ['this machine, from itself', { host: '127.0.0.1', port: 80 }, 'machine', true],
    ['the local network, from the Internet', { host: '192.168.1.1', port: 80 }, 'global', false],
    ['the local network, from itself', { host: '192.168.1.1', port: 80 }, 'local', true],
    ['a cloud provider’s metadata', { host: '169.254.169.254', port: 80 }, 'global', false],
    ['port 0', { host: '8.8.8.8', port: 0 }, 'global', false],
    ['multicast', { host: '239.192.152.143', port: 6771 }, 'machine', false],
    ['multicast over IPv6', { host: 'ff02::1', port: 6771 }, 'machine', false],
    ['broadcast', { host: '255.255.255.255', port: 6771 }, 'machine', false],
    ['link-local without its link', { host: 'fe80::1', port: 6881 }, 'machine', false],
    ['no address at all', { host: 'localhost', port: 6881 }, 'machine', false],
  ])('%s', (_what, endpoint, from, isDialled) => {
    const world = new OneClient(CONTENT)
    named(world, [endpoint], from)
    expect(refuse(world, 1)).toEqual(isDialled ? [endpoint] : [])
  })

  it('our own, as we listen and as the tracker sees us', () => {
    const world = new OneClient(
      CONTENT,
      { trackers: [['http://tracker.test/announce']] },
      { listenPort: 6881 },
    )
    const announce = world.outputs.find((output) => output.kind === 'announce')!
    const others = ['127.0.0.5', '203.0.113.10'].map((host) => ({ host, port: 6881 }))
    const own = ['127.0.0.1', '::1', VICTIM].map((host) => ({ host, port: 6881 }))
    const reply = { intervalSeconds: 1800, peers: [], externalIp: VICTIM, from: '127.0.0.1' }
    world.input({ kind: 'announce-answered', torrent: 1, announce: announce.announce, result: ok(reply) })
    named(world, [...own, ...others], 'machine')
    expect(refuse(world, 1).sort((a, b) => (a.host < b.host ? -1 : 1))).toEqual(others)
  })

  it('what a tracker on the Internet says of our network', () => {
    const world = new OneClient(CONTENT, { trackers: [['http://tracker.test/announce']] })
    const announce = world.outputs.find((output) => output.kind === 'announce')!
    const peers = ['127.0.0.1', '192.168.1.1', '8.8.8.8'].map((host) => ({ host, port: 6881 }))
    const reply = { intervalSeconds: 1800, peers, from: '203.0.113.1' }
    world.input({ kind: 'announce-answered', torrent: 1, announce: announce.announce, result: ok(reply) })
    expect(refuse(world, 1)).toEqual([{ host: '8.8.8.8', port: 6881 }])
  })
})
