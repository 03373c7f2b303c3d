/** Real clients meet a peer that talks to one at a time: they wait, come again, and all get everything. */
import { expect, test } from 'vitest'
import { FakeTracker } from '../kit/fake-tracker.ts'
import { startAria2, startLibtorrent, startRtorrent } from '../kit/real-clients.ts'
import { stage, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'

test('libtorrent, aria2 and rtorrent take turns at a seed that serves one at a time', async () => {
  const tracker = await FakeTracker.start({ reply: { intervalSeconds: 2 } })
  const { file, source, folder } = stage({
    files: { 'a.bin': 400_000, 'b.bin': 300_000 },
    pieceLength: 32_768,
    trackers: [tracker.url],
  })
  // the kit's clients dial it one after the other; none may keep the others from it
  const args = [
    '--one-at-a-time',
    '--turn-limit',
    '3s',
    '--request-timeout',
    '2s',
    '--upload-limit',
    '300KB/s',
  ]
  const seed = startSeed(file, source, { host: '127.0.0.2', args })
  const { port } = await seed.readyEndpoint()
  await tracker.members(1)
  const starts = [startLibtorrent, startAria2, startRtorrent]
  const clients = await Promise.all(
    starts.map((start, i) =>
      start({
        torrent: file,
        dir: folder(`client${i}`),
        host: `127.0.0.${3 + i}`,
        peers: [`127.0.0.2:${port}`],
      }),
    ),
  )
  await Promise.all(clients.map((client) => client.finished(90_000)))
  for (const i of starts.keys())
    expect(treeDifferences(source, folder(`client${i}`)).filter((line) => !/\.aria2$/.test(line))).toEqual([])
  let open = 0
  for (const { event } of seed.events.items) {
    if (event === 'session-start') open++
    if (event === 'session-end') open--
    expect(open).toBeLessThanOrEqual(1)
  }
  expect(seed.all('session-start').length).toBeGreaterThan(1)
  expect((await seed.end()).code).toBe(0)
})
