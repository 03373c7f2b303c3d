/** A peer that is slow on purpose, and one that leaves while it serves. In virtual time. */
import { expect, test } from 'vitest'
import { MICROSECONDS_PER_SECOND } from '../../src/base/time.ts'
import type { SwarmOutput } from '../../src/swarm/effects.ts'
import { MESSAGE } from '../../src/wire/peer-messages.ts'
import { type Content, OneClient } from './one-client.ts'
import { BLOCK, content, metainfoOf } from './small-world.ts'

const bytes = content(16 * BLOCK)
const CONTENT: Content = { bytes, metainfo: metainfoOf(bytes, 4 * BLOCK) }
const ALL = [0, 1, 2, 3]
const FRAME = BLOCK + 13

interface Delivery {
  readonly connection: number
  readonly atSeconds: number
}

/** A seed whose disk answers at once and whose sockets take everything. */
class Seed extends OneClient {
  readonly sent: Delivery[] = []
  hasDisk = true

  obey(outputs: readonly SwarmOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'read-blocks' && this.hasDisk)
        this.obey(this.input({ kind: 'blocks-read', torrent: 1, read: output.read, fault: undefined }))
      if (output.kind !== 'send' || output.frame === undefined) continue
      const { connection, frame } = output
      for (let at = 0; at < output.bytes.length; at += FRAME)
        this.sent.push({ connection, atSeconds: this.now / MICROSECONDS_PER_SECOND - 1 })
      this.obey(this.input({ kind: 'sent', connection, frame }))
    }
  }

  leecher(): number {
    const peer = this.peer()
    this.say(peer, (w) => w.plain(MESSAGE.interested))
    return peer
  }

  ask(peer: number, count: number): void {
    this.obey(
      this.say(peer, (w) => {
        for (let at = 0; at < count; at++) w.block(MESSAGE.request, at >> 2, (at & 3) * BLOCK, BLOCK)
      }),
    )
  }

  run(secondsLong: number): void {
    for (let at = 0; at < secondsLong * 100; at++) {
      const from = this.outputs.length
      this.pass(0.01)
      this.obey(this.outputs.slice(from))
    }
  }

  times(peer: number): number[] {
    return this.sent.filter(({ connection }) => connection === peer).map(({ atSeconds }) => atSeconds)
  }

  get closed(): number[] {
    return this.outputs.flatMap((output) => (output.kind === 'close' ? [output.connection] : []))
  }

  get isStopped(): boolean {
    return this.outputs.some(({ kind }) => kind === 'stopped')
  }
}

function seed(uploadDelaySeconds = 0): Seed {
  return new Seed(CONTENT, {}, { uploadDelaySeconds }, ALL)
}

test('with an upload delay every block waits so long, and peers do not slow one another down', () => {
  const world = seed(0.5)
  const [one, other] = [world.leecher(), world.leecher()]
  world.ask(one, 4)
  world.run(0.2)
  world.ask(other, 2)
  world.run(3)
  const near = (times: number[]) => times.map((time) => Math.round(time * 10) / 10)
  expect(near(world.times(one))).toEqual([0.5, 1, 1.5, 2])
  expect(near(world.times(other))).toEqual([0.7, 1.2])
})

test('a request that comes after a pause waits as long as any other', () => {
  const world = seed(0.5)
  const peer = world.leecher()
  world.ask(peer, 1)
  world.run(5)
  world.ask(peer, 1)
  world.run(0.4)
  expect(world.times(peer)).toHaveLength(1)
  world.run(0.2)
  expect(world.times(peer)).toHaveLength(2)
})

test('what was cancelled is not waited for', () => {
  const world = seed(0.5)
  const peer = world.leecher()
  world.ask(peer, 1)
  world.say(peer, (w) => w.block(MESSAGE.cancel, 0, 0, BLOCK))
  world.run(0.4)
  world.ask(peer, 1)
  world.run(0.3)
  expect(world.times(peer)).toEqual([])
  world.run(0.5)
  expect(world.times(peer)).toHaveLength(1)
})

test('who leaves sends the block it is on, and no other', () => {
  const world = seed(0.5)
  const [busy, idle] = [world.leecher(), world.leecher()]
  world.ask(busy, 4)
  world.run(0.2)
  world.obey(world.input({ kind: 'stop' }))
  expect(world.closed).toEqual([idle])
  world.ask(busy, 8)
  world.run(2)
  expect(world.times(busy)).toHaveLength(1)
  expect(world.closed).toEqual([idle, busy])
  expect(world.isStopped).toBe(true)
})

test('who leaves waits for a slow block no longer than a second', () => {
  const world = seed(30)
  const peer = world.leecher()
  world.ask(peer, 4)
  world.obey(world.input({ kind: 'stop' }))
  world.run(0.9)
  expect(world.isStopped).toBe(false)
  world.run(0.4)
  expect(world.times(peer)).toEqual([])
  expect(world.isStopped).toBe(true)
})

test('who leaves waits for the disk, and for the tracker as before', () => {
  const world = seed()
  const peer = world.leecher()
  world.hasDisk = false
  world.ask(peer, 2)
  const read = world.outputs.findLast((output) => output.kind === 'read-blocks')
  world.input({ kind: 'stop' })
  expect(world.isStopped).toBe(false)
  if (read?.kind === 'read-blocks')
    world.obey(world.input({ kind: 'blocks-read', torrent: 1, read: read.read, fault: undefined }))
  expect(world.times(peer)).toHaveLength(2)
  expect(world.isStopped).toBe(true)
})

test('nobody new is let in, and nobody is dialled, once it leaves', () => {
  const world = seed(0.5)
  const peer = world.leecher()
  world.ask(peer, 1)
  world.input({ kind: 'stop' })
  const late = world.peer()
  world.input({ kind: 'add-peers', torrent: 1, peers: [{ host: '10.0.0.1', port: 1 }], source: 'manual' })
  world.run(2)
  expect(world.closed).toEqual([late, peer])
  expect(world.outputs.filter(({ kind }) => kind === 'connect')).toEqual([])
})
