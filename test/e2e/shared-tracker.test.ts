/**
 * Two `shoal tracker` processes on one Redis under load: clients that lose one go to the other and are in the
 * swarm all the time; a Redis that dies takes announces with it and gives them back, nobody counted twice.
 */
import { expect, test } from 'vitest'
import { announceHttp, type RawAnnounce } from '../kit/raw-announce.ts'
import { RedisServer } from '../kit/redis-server.ts'
import { Shoal } from '../kit/shoal.ts'
import { sleep, until } from '../kit/waiting.ts'

const INFO_HASH = Buffer.alloc(20, 9)
const CLIENTS = 100
/** What a client waits between two announces here. */
const INTERVAL_MS = 300

interface Endpoint {
  host: string
  port: number
}

async function startTracker(redis: RedisServer): Promise<{ shoal: Shoal; endpoint: Endpoint }> {
  const args = ['--host', '127.0.0.1', '--port', '0', '--heartbeat', 'off', '--store', redis.url]
  const shoal = Shoal.start(['tracker', ...args])
  const { host, port } = await shoal.event('listening', ({ service }) => service === 'tracker')
  return { shoal, endpoint: { host, port } }
}

/** A client that announces again and again, to the next tracker when one does not answer. */
class Client {
  readonly announce: RawAnnounce
  /** Intervals in a row in which no tracker took its announce, the most there were. */
  missedMost = 0
  answers = 0
  #isOver = false
  readonly #loop: Promise<void>

  constructor(number: number, trackers: readonly Endpoint[]) {
    const peerId = Buffer.alloc(20, `client ${number} `)
    this.announce = { infoHash: INFO_HASH, peerId, port: 10_000 + number, event: '', numwant: 5 }
    this.#loop = this.#run(number, trackers)
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#loop
  }

  async #run(number: number, trackers: readonly Endpoint[]): Promise<void> {
    for (let missed = 0, first = number; !this.#isOver; await sleep(INTERVAL_MS)) {
      let isTaken = false
      for (let attempt = 0; attempt < trackers.length && !isTaken; attempt++) {
        const tracker = trackers[(first + attempt) % trackers.length]!
        isTaken = await announceHttp(tracker, this.announce).then(
          ({ failure }) => failure === undefined,
          () => false,
        )
        if (isTaken) first += attempt
      }
      missed = isTaken ? 0 : missed + 1
      if (isTaken) this.answers++
      this.missedMost = Math.max(this.missedMost, missed)
    }
  }
}

/** Members as an announce is told them. */
async function members(tracker: Endpoint): Promise<number> {
  const who = { infoHash: INFO_HASH, peerId: Buffer.alloc(20, 'onlooker'), port: 9 }
  const { members } = await announceHttp(tracker, { ...who, numwant: 0 })
  await announceHttp(tracker, { ...who, event: 'stopped' })
  return Number(members.get('complete')) + Number(members.get('incomplete')) - 1
}

test('one of two trackers killed under load: no client misses more than one interval', async () => {
  const redis = await RedisServer.start()
  const [a, b] = [await startTracker(redis), await startTracker(redis)]
  const trackers = [a.endpoint, b.endpoint]
  const clients = Array.from({ length: CLIENTS }, (_, i) => new Client(i, trackers))
  await until('answers to all', () => clients.every((client) => client.answers > 1))
  expect(await members(b.endpoint)).toBe(CLIENTS)
  await a.shoal.kill()
  const before = clients.map((client) => client.answers)
  await until('answers after the loss', () => clients.every((client, i) => client.answers > before[i]! + 2))
  expect(await members(b.endpoint)).toBe(CLIENTS)
  await Promise.all(clients.map((client) => client.stop()))
  expect(Math.max(...clients.map((client) => client.missedMost))).toBeLessThanOrEqual(1)
})

test('Redis killed and started again: announces resume, everybody is counted once', async () => {
  const redis = await RedisServer.start()
  const [a, b] = [await startTracker(redis), await startTracker(redis)]
  const clients = Array.from({ length: CLIENTS }, (_, i) => new Client(i, [a.endpoint, b.endpoint]))
  await until('answers to all', () => clients.every((client) => client.answers > 1))
  await redis.kill()
  for (const { shoal } of [a, b]) await shoal.event('store-lost')
  const away = await announceHttp(a.endpoint, clients[0]!.announce)
  expect(away.failure).toBe('the store of this tracker is away')
  await redis.startAgain()
  for (const { shoal } of [a, b]) await shoal.event('store-regained')
  const before = clients.map((client) => client.answers)
  await until('answers again', () => clients.every((client, i) => client.answers > before[i]! + 1))
  expect([await members(a.endpoint), await members(b.endpoint)]).toEqual([CLIENTS, CLIENTS])
  await Promise.all(clients.map((client) => client.stop()))
  expect((await a.shoal.end()).code).toBe(0)
})

test('a Redis that is not there is an error with a hint, and no password in it', async () => {
  const tracker = Shoal.start(['tracker', '--port', '0', '--store', 'redis://user:secret@127.0.0.1:1'])
  expect((await tracker.exit).code).toBe(1)
  const error = await tracker.event('error')
  expect(error).toMatchObject({ code: 'store/unreachable', hint: expect.any(String) })
  expect(tracker.stdout + tracker.stderr).not.toContain('secret')
})
