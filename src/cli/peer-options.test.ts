import { expect, test } from 'vitest'
import { resolvePeers, trackerTiers } from './peer-options.ts'

const metainfo = { trackers: [['http://a/announce', 'http://b/announce'], ['udp://c:1']] }

test('named trackers come first, once', () => {
  expect(
    trackerTiers({ tracker: ['http://b/announce', 'http://d/announce'], useTracker: true }, metainfo),
  ).toEqual([['http://b/announce', 'http://d/announce'], ['http://a/announce'], ['udp://c:1']])
  expect(trackerTiers({ tracker: [], useTracker: true }, metainfo)).toEqual(metainfo.trackers)
  expect(trackerTiers({ tracker: ['http://d/announce'], useTracker: false }, metainfo)).toEqual([])
})

test('peers are named by address or by name', async () => {
  expect(
    await resolvePeers([
      { host: '::1', port: 1 },
      { host: '127.0.0.1', port: 2 },
    ]),
  ).toEqual([
    { host: '::1', port: 1 },
    { host: '127.0.0.1', port: 2 },
  ])
  await expect(resolvePeers([{ host: 'no such host', port: 1 }])).rejects.toMatchObject({
    code: 'usage/unknown-host',
  })
})
