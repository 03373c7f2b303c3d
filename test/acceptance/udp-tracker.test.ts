/** The requirement that a tracker needs no HTTP. */
import { expect, test } from 'vitest'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { httpGet } from '../kit/raw-announce.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { until } from '../kit/waiting.ts'

test('L58 peers meet, download and part through a tracker over UDP alone', async () => {
  // Another number than HTTP has, so that nothing can go there by accident.
  const tracker = await startOwnTracker('--udp-port', '0', '--interval', '2s')
  expect(tracker.udp.port).not.toBe(tracker.http.port)
  const { file, source, target, folder } = stage({ files: { a: 200_000, 'b/c': 70_000 } })
  const peers = { tracker: tracker.udpUrl }
  const seed = startSeed(file, source, { ...peers, host: '127.0.0.2' })
  await seed.event('announced', (event) => event.tracker.startsWith(tracker.udpUrl))
  const first = startGet(file, target, { ...peers, host: '127.0.0.3' })
  await first.event('complete')
  expect(treeDifferences(source, target)).toEqual([])
  expect((await seed.end()).code).toBe(0)
  // who has left is listed no more, and who has arrived is
  const second = startGet(file, folder('second'), { ...peers, host: '127.0.0.4' })
  await second.event('complete')
  expect(treeDifferences(source, folder('second'))).toEqual([])
  expect([...first.all('tracker-failed'), ...second.all('tracker-failed')]).toEqual([])
  const stats = async () => JSON.parse((await httpGet(tracker.http, '/stats.json')).toString())
  expect(await stats()).toMatchObject({ swarms: 1, peers: 2 })
  for (const peer of [first, second]) expect((await peer.end()).code).toBe(0)
  await until('empty tracker', async () => (await stats()).peers === 0)
  expect((await tracker.shoal.end()).code).toBe(0)
})
