/** `--one-at-a-time`: who is talked to, who waits, and when a turn ends. All in virtual time. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LIMITS } from '../../src/base/limits.ts'
import { Prng } from '../../src/base/prng.ts'
import type { SwarmEvent } from '../../src/swarm/events.ts'
import { encodeHandshake } from '../../src/wire/handshake.ts'
import { MESSAGE } from '../../src/wire/peer-messages.ts'
import { PROBE_PEER_ID_PREFIX } from '../../src/wire/probe.ts'
import { type Content, OneClient } from './one-client.ts'
import { BLOCK, content, metainfoOf, SmallWorld } from './small-world.ts'

const bytes = content(8 * BLOCK)
const CONTENT: Content = { bytes, metainfo: metainfoOf(bytes, BLOCK) }
const ALL = Array.from({ length: 8 }, (_, piece) => piece)
const turns = { stallSeconds: 5, turnSeconds: 30, waitSeconds: 120 }

function seed(rest: Partial<typeof turns> = {}): OneClient {
  return new OneClient(CONTENT, {}, { turns: { ...turns, ...rest } }, ALL)
}

function isAnswered(world: OneClient, connection: number): boolean {
  return world.outputs.some((output) => output.kind === 'send' && output.connection === connection)
}

function closeReason(world: OneClient, connection: number): string | undefined {
  const close = world.outputs.find((output) => output.kind === 'close' && output.connection === connection)
  return close?.kind === 'close' ? close.reason : undefined
}

function told(world: OneClient): SwarmEvent[] {
  const names = ['session-start', 'session-end', 'peer-waiting', 'peer-next']
  return world.outputs.flatMap((output) =>
    output.kind === 'event' && names.includes(output.event.event) ? [output.event] : [],
  )
}

/** The peer asks for a block now and then, so that its session moves. */
function keepBusy(world: OneClient, connection: number, secondsLong: number): void {
  world.say(connection, (w) => w.plain(MESSAGE.interested))
  for (let at = 0; at < secondsLong; at++) {
    for (const output of world.say(connection, (w) => w.block(MESSAGE.request, 0, 0, BLOCK)))
      if (output.kind === 'read-blocks')
        for (const sent of world.input({
          kind: 'blocks-read',
          torrent: 1,
          read: output.read,
          fault: undefined,
        }))
          if (sent.kind === 'send' && sent.frame) world.input({ kind: 'sent', connection, frame: sent.frame })
    world.pass(1)
  }
}

test('the second peer is not answered before the first has gone, and events come in this order', () => {
  const world = seed()
  const [first, second, third] = [
    world.peer(CONTENT, '127.0.0.2'),
    world.peer(CONTENT, '127.0.0.3'),
    world.peer(CONTENT, '127.0.0.4'),
  ]
  world.pass(3)
  expect([first, second, third].map((peer) => isAnswered(world, peer))).toEqual([true, false, false])
  world.leave(first)
  expect([second, third].map((peer) => isAnswered(world, peer))).toEqual([true, false])
  world.leave(second)
  expect(isAnswered(world, third)).toBe(true)
  expect(
    told(world).map((e) => `${e.event} ${'address' in e ? e.address.split(':')[0]!.slice(-1) : ''}`),
  ).toEqual([
    ...['session-start 2', 'peer-waiting 3', 'peer-waiting 4', 'session-end 2'],
    ...['peer-next 3', 'session-start 3', 'session-end 3', 'peer-next 4', 'session-start 4'],
  ])
})

test('what a peer says while it waits is heard when its turn comes', () => {
  const world = seed()
  const first = world.peer()
  const second = world.peer()
  world.say(second, (w) => w.plain(MESSAGE.interested))
  world.leave(first)
  expect(world.session(second)?.peerInterested).toBe(true)
})

test('a peer that stalls is cut at the limit, but only when somebody waits', () => {
  const world = seed()
  const first = world.peer()
  world.pass(60)
  expect(closeReason(world, first)).toBeUndefined()
  const second = world.peer()
  world.pass(2)
  expect(closeReason(world, first)).toBe('stalled')
  expect(isAnswered(world, second)).toBe(true)
})

test('a busy peer keeps its turn no longer than the turn limit while others wait, and then they are fair', () => {
  const world = seed()
  const first = world.peer()
  const second = world.peer()
  keepBusy(world, first, 28)
  expect(closeReason(world, first)).toBeUndefined()
  keepBusy(world, first, 4)
  expect(closeReason(world, first)).toBe('turn-over')
  expect(isAnswered(world, second)).toBe(true)
})

test('who waits too long is sent away, who leaves the queue is forgotten', () => {
  const world = seed({ waitSeconds: 20, turnSeconds: 1000 })
  const first = world.peer()
  const patient = world.peer()
  const impatient = world.peer()
  world.leave(impatient)
  keepBusy(world, first, 25)
  expect(closeReason(world, patient)).toBe('wait-timeout')
  world.leave(first)
  expect([patient, impatient].map((peer) => isAnswered(world, peer))).toEqual([false, false])
})

test('the queue is bounded', () => {
  const world = new OneClient(CONTENT, {}, { turns, connectionsMax: 500 }, ALL)
  world.peer()
  const waiting = Array.from({ length: LIMITS.acceptQueueMax.value + 3 }, () => world.peer())
  expect(waiting.filter((peer) => closeReason(world, peer) === 'too-many-peers')).toEqual(waiting.slice(-3))
  expect(world.client.connectionCount).toBe(1 + LIMITS.acceptQueueMax.value)
})

test.for([true, false])(
  'a probe of a tracker is answered at once and starts no session (turns: %s)',
  (isOn) => {
    const world = new OneClient(CONTENT, {}, isOn ? { turns } : {}, ALL)
    const first = world.peer()
    const peerId = new Prng(4).bytes(20)
    peerId.set(new TextEncoder().encode(PROBE_PEER_ID_PREFIX))
    world.input({ kind: 'incoming', connection: -900, address: { host: '127.0.0.9', port: 9 } })
    const flags = { supportsExtensions: false, supportsFast: false, supportsV2: false }
    const outputs = world.receive(
      -900,
      encodeHandshake({ infoHash: CONTENT.metainfo.infoHashV1!, peerId, ...flags }),
    )
    expect(outputs.map(({ kind }) => kind)).toEqual(['send', 'close'])
    expect(world.torrent.core.sessions.size).toBe(1)
    expect(world.session(first)).toBeDefined()
  },
)

test('who dials talks to one only, too, and whoever answered later is left for another time', () => {
  const world = new OneClient(CONTENT, {}, { turns })
  const peers = Array.from({ length: 10 }, (_, i) => ({ host: `10.0.0.${i}`, port: 1 }))
  world.input({ kind: 'add-peers', torrent: 1, peers, source: 'manual' })
  const dials = world.outputs.flatMap((output) => (output.kind === 'connect' ? [output.connection] : []))
  expect(dials).toHaveLength(4)
  for (const connection of dials) world.input({ kind: 'connected', connection })
  for (const connection of dials.slice(0, 2)) {
    const flags = { supportsExtensions: false, supportsFast: true, supportsV2: false }
    const peerId = new Prng(connection).bytes(20)
    world.receive(connection, encodeHandshake({ infoHash: CONTENT.metainfo.infoHashV1!, peerId, ...flags }))
  }
  expect(world.torrent.core.sessions.size).toBe(1)
  expect(closeReason(world, dials[1]!)).toBe('busy')
  world.pass(1)
  expect(world.outputs.filter(({ kind }) => kind === 'connect')).toHaveLength(4)
})

test.for([1, 2, 3])(
  'a swarm in which everybody talks to one peer at a time completes (seed %i)',
  (chance) => {
    const world = new SmallWorld(CONTENT.metainfo, bytes, chance)
    const peers = [world.add({ pieces: ALL, turns }), ...[1, 2, 3, 4].map(() => world.add({ turns }))]
    for (const from of peers) for (const to of peers) if (from !== to) world.introduce(from, to)
    const most = () => Math.max(...peers.map((peer) => peer.torrent.core.sessions.size))
    let seen = 0
    const isDone = () => {
      seen = Math.max(seen, most())
      return peers.every((peer) => peer.torrent.isComplete)
    }
    expect(world.runUntil(isDone, 600)).toBe(true)
    expect(seen).toBe(1)
  },
)

test('whatever peers do, there is one session at most, and its end is told before the next begins', () => {
  const step = fc.record({
    kind: fc.constantFrom('come', 'leave', 'ask', 'wait', 'long'),
    who: fc.nat(20),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = seed({ stallSeconds: 3, turnSeconds: 8, waitSeconds: 15 })
      const peers: number[] = []
      for (const { kind, who } of steps) {
        const peer = peers[who % Math.max(1, peers.length)]
        if (kind === 'come') peers.push(world.peer(CONTENT, `10.0.0.${who}`))
        else if (kind === 'wait') world.pass(0.5)
        else if (kind === 'long') world.pass(5)
        else if (peer !== undefined && kind === 'leave') world.leave(peer)
        else if (peer !== undefined) world.say(peer, (w) => w.plain(MESSAGE.interested))
        expect(world.torrent.core.sessions.size).toBeLessThanOrEqual(1)
      }
      // nobody is forgotten: with time everyone was let in, sent away, or has left
      world.pass(30)
      expect(world.client.connectionCount - world.torrent.core.sessions.size).toBe(0)
      const turns = told(world).filter(({ event }) => event.startsWith('session-'))
      expect(turns.every(({ event }, i) => event === (i % 2 === 0 ? 'session-start' : 'session-end'))).toBe(
        true,
      )
    }),
    { numRuns: 150 },
  )
})
