/** The time of day may jump: nothing that waits, measures or expires goes by it. */
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { stage, startGet } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'

/** Puts a year on the clock, or takes it off again, with every look at it. */
const JUMPY = `
  const now = Date.now.bind(Date)
  let looks = 0
  const jumped = () => now() + (looks++ % 2 ? -1 : 1) * 365 * 86400e3
  Date.now = jumped
  globalThis.Date = class extends Date { constructor(...args) { args.length ? super(...args) : super(jumped()) } }
  globalThis.Date.now = jumped`

test('a download goes on and tells its true length while the wall clock jumps by years', async () => {
  const { file, source, target, torrent } = stage({ files: { big: 40 * 16_384 }, pieceLength: 16_384 })
  const seeder = await FakePeer.listen(torrent, { bytesPerSecond: 300_000 })
  const silent = await FakePeer.listen(torrent, { silent: true })
  const tracker = await FakeTracker.start({ reply: { peers: [seeder, silent], intervalSeconds: 3600 } })
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(JUMPY)}` }
  const get = startGet(file, target, { tracker, env, args: ['--handshake-timeout', '700ms'] })
  const { seconds } = await get.event('complete')
  // 655 kB at 300 kB/s
  expect(seconds).toBeGreaterThan(1)
  expect(seconds).toBeLessThan(10)
  await get.event('peer-disconnected', ({ reason }) => reason === 'handshake-timeout')
  const rates = get.all('progress').map(({ downloadRate }) => downloadRate)
  expect(Math.max(...rates)).toBeLessThan(10_000_000)
  await tracker.announced('completed', ({ event }) => event === 'completed')
  // no jump made an interval of an hour go by
  expect(tracker.announces.items.map(({ event }) => event)).toEqual(['started', 'completed'])
  expect((await get.end()).code).toBe(0)
  expect(treeDifferences(source, target)).toEqual([])
})
