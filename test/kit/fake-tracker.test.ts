/** The fake tracker and the raw announces of the kit agree with one another, over HTTP and UDP. */
import { expect, test } from 'vitest'
import { type Announce, FakeTracker } from './fake-tracker.ts'
import { announceHttp, announceUdp } from './raw-announce.ts'

const INFO_HASH = Buffer.from('+ %&=/?#\x00\xff0123456789', 'latin1')

function somebody(port: number) {
  return { infoHash: INFO_HASH, peerId: Buffer.alloc(20, port), port, left: 5, from: '127.0.0.7' }
}

test.for([announceHttp, announceUdp])('left alone it lists who announced (%o)', async (announce) => {
  const tracker = await FakeTracker.start()
  const where = { host: '127.0.0.1', port: tracker.port }
  expect((await announce(where, somebody(1001))).peers).toEqual([])
  expect((await announce(where, somebody(1002))).peers).toEqual([{ host: '127.0.0.7', port: 1001 }])
  await announce(where, { ...somebody(1001), event: 'stopped' })
  expect((await announce(where, somebody(1003))).peers).toEqual([{ host: '127.0.0.7', port: 1002 }])
  expect(tracker.announces.items.map(({ event }) => event)).toEqual([
    'started',
    'started',
    'stopped',
    'started',
  ])
  expect(tracker.announces.items[0]).toMatchObject<Partial<Announce>>({
    infoHash: INFO_HASH,
    port: 1001,
    left: 5,
    numwant: undefined,
  })
})

test('it answers as it is told: both forms of peers, a failure, a status, late, never', async () => {
  const peers = [{ host: '127.0.0.9', port: 9 }]
  const tracker = await FakeTracker.start({ reply: { peers, intervalSeconds: 7, warning: 'careful' } })
  const where = { host: '127.0.0.1', port: tracker.port }
  for (const compact of [0, 1] as const) {
    const reply = await announceHttp(where, { ...somebody(1), compact, numwant: 3 })
    expect(reply).toMatchObject({ peers, intervalSeconds: 7, failure: undefined })
    expect(String(reply.members.get('warning message'))).toBe('careful')
    expect(reply.members.get('external ip')).toEqual(Buffer.from([127, 0, 0, 7]))
  }
  tracker.failNext(1, { failure: 'not today' })
  expect((await announceHttp(where, somebody(1))).failure).toBe('not today')
  tracker.failNext(2, { status: 500 })
  await expect(announceHttp(where, somebody(1))).rejects.toThrow('500')
  await expect(announceUdp(where, somebody(1))).rejects.toThrow('status 500')
  tracker.script = ({ port }) => (port === 2 ? { delayMs: 100 } : undefined)
  const before = performance.now()
  await announceHttp(where, somebody(2))
  expect(performance.now() - before).toBeGreaterThan(90)
  tracker.failNext(1, { silence: true })
  const never = announceHttp(where, somebody(3))
  await tracker.announced('of the third', ({ port }) => port === 3)
  await tracker.stop()
  await expect(never).rejects.toThrow()
})
