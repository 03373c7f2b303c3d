import { expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { Prng } from '../base/prng.ts'
import { type Instant, instant, seconds } from '../base/time.ts'
import { decodeLocalAnnounce, encodeLocalAnnounce, LOCAL_HASHES_MAX } from '../wire/local-announce.ts'
import { LocalDiscovery, type LocalDiscoveryInput, type LocalDiscoveryOutput } from './local-discovery.ts'

const hashOf = (torrent: number) =>
  Uint8Array.from({ length: 20 }, (_, i) => (i === 0 ? torrent >> 8 : torrent & 255))

class World {
  now: Instant = instant(1_000_000)
  readonly machine = new LocalDiscovery(6881, new Prng(1))
  /** Of IPv4: when, and the first byte that tells the torrents apart. */
  readonly sent: { at: number; torrents: number[]; bytes: Uint8Array }[] = []
  readonly outputs: LocalDiscoveryOutput[] = []

  input(input: LocalDiscoveryInput): this {
    this.machine.handle(this.now, input)
    for (let output = this.machine.poll(); output !== undefined; output = this.machine.poll()) {
      this.outputs.push(output)
      if (output.kind !== 'send' || output.group !== 'v4') continue
      const decoded = decodeLocalAnnounce(output.bytes)
      const hashes = decoded.ok ? decoded.value.infoHashes : []
      const torrents = hashes.map((hash) => hash[0]! * 256 + hash[1]!)
      this.sent.push({ at: Math.round(this.now / 1_000_000), torrents, bytes: output.bytes })
    }
    return this
  }

  join(...torrents: number[]): this {
    for (const torrent of torrents) this.input({ kind: 'join', torrent, infoHashes: [hashOf(torrent)] })
    return this
  }

  pass(secondsLong: number): this {
    const end = this.now + seconds(secondsLong)
    for (
      let at = this.machine.nextTimeout();
      at !== undefined && at <= end;
      at = this.machine.nextTimeout()
    ) {
      this.now = instant(Math.max(at, this.now))
      this.input({ kind: 'tick' })
    }
    this.now = instant(end)
    return this
  }

  hear(host: string, torrent: number, port = 1000): this {
    const bytes = encodeLocalAnnounce('v4', { port, infoHashes: [hashOf(torrent)], cookie: 'theirs' })
    return this.input({ kind: 'heard', host, bytes })
  }

  get found(): string[] {
    return this.outputs.flatMap((o) =>
      o.kind === 'found' ? [`${o.torrent} ${o.peer.host}:${o.peer.port} ${o.from}`] : [],
    )
  }
}

test('torrents that join together are announced together, to both groups, and again every five minutes', () => {
  const world = new World().join(1, 2, 3).pass(700)
  expect(world.sent.map(({ at, torrents }) => [at, ...torrents])).toEqual([
    [2, 1, 2, 3],
    [302, 1, 2, 3],
    [602, 1, 2, 3],
  ])
  expect(world.outputs.filter((output) => output.kind === 'send' && output.group === 'v6')).toHaveLength(3)
})

test('nothing is announced more than once a minute, however many torrents come and go', () => {
  const world = new World()
  for (let torrent = 0; torrent < 600; torrent++) {
    world.join(torrent).pass(1)
    if (torrent % 3 === 0) world.input({ kind: 'leave', torrent })
  }
  const times = world.sent.map(({ at }) => at)
  for (let i = 1; i < times.length; i++) expect(times[i]! - times[i - 1]!).toBeGreaterThanOrEqual(60)
  expect(times.length).toBeGreaterThanOrEqual(10)
})

test('more torrents than fit one announce take turns', () => {
  const all = Array.from({ length: 3 * LOCAL_HASHES_MAX }, (_, torrent) => torrent)
  const world = new World().join(...all).pass(240)
  expect(world.sent.flatMap(({ torrents }) => torrents).sort((a, b) => a - b)).toEqual(all)
  expect(world.sent.every(({ torrents }) => torrents.length === LOCAL_HASHES_MAX)).toBe(true)
})

test('a torrent that left is neither announced nor found', () => {
  const world = new World().join(1, 2).input({ kind: 'leave', torrent: 1 }).pass(400)
  world.hear('192.168.1.2', 1).hear('192.168.1.2', 2)
  expect(world.sent.map(({ torrents }) => torrents)).toEqual([[2], [2]])
  expect(world.found).toEqual(['2 192.168.1.2:1000 local'])
  world.input({ kind: 'leave', torrent: 2 })
  expect(world.machine.nextTimeout()).toBeUndefined()
})

test('who announces a torrent of ours is a peer at the address it sent from', () => {
  const world = new World().join(1)
  world.hear('192.168.1.2', 1).hear('192.168.1.3', 9).hear('2001:db8::1', 1)
  expect(world.found).toEqual(['1 192.168.1.2:1000 local', '1 2001:db8::1:1000 global'])
})

test('our own announces, which come back, are known by their cookie', () => {
  const world = new World().join(1).pass(2)
  world.input({ kind: 'heard', host: '192.168.1.1', bytes: world.sent[0]!.bytes })
  expect(world.found).toEqual([])
})

test('a flood is not read, from one host or from many (S16)', () => {
  const world = new World().join(1)
  for (let i = 0; i < 1000; i++) world.hear('192.168.1.2', 1, 1 + i)
  expect(world.found).toHaveLength(LIMITS.localPerHostMax.value)
  for (let i = 0; i < 5000; i++) world.hear(`10.0.${i >> 8}.${i & 255}`, 1)
  expect(world.found).toHaveLength(LIMITS.localPerHostMax.value + LIMITS.localHostsMax.value - 1)
  world.pass(61).hear('192.168.1.2', 1)
  expect(world.found.length).toBeGreaterThan(LIMITS.localPerHostMax.value + LIMITS.localHostsMax.value - 1)
})

test('what is no announce is nothing to us', () => {
  const world = new World().join(1)
  world.input({ kind: 'heard', host: '192.168.1.2', bytes: Uint8Array.of(1, 2, 3) })
  expect(world.found).toEqual([])
})
