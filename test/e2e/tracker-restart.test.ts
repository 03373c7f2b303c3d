/** What a tracker that keeps its catalog in a file still knows after a restart: also who was there. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fakeLibrary, fakePublisher, publish } from '../kit/catalog.ts'
import { temporaryFolder } from '../kit/clean-up.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { announceHttp } from '../kit/raw-announce.ts'
import { ALONE, mustRun, Shoal } from '../kit/shoal.ts'
import { until } from '../kit/waiting.ts'

test('after a restart the catalog lists what is shared, and an announce gets the peers, before any has come back', async () => {
  const folder = temporaryFolder('restart')
  const store = ['--store', `sqlite:${join(folder, 'tracker.sqlite')}`]
  const first = await startOwnTracker(...store)
  const content = join(folder, 'cats')
  mkdirSync(content)
  writeFileSync(join(content, 'a.txt'), 'purr')
  const tracker = `http://127.0.0.1:${first.http.port}`
  const local = ['--host', '127.0.0.1', '--port', '0', ...ALONE]
  const share = Shoal.start(['share', content, '--tracker', tracker, ...local])
  const { infoHash } = await share.event('created')
  await share.event('listed')
  await until('an announce', () => share.all('announced').length > 0)
  const { port } = await share.peerEndpoint()
  await first.shoal.end()

  const second = await startOwnTracker(...store)
  const { events } = await mustRun(['ls', '--tracker', `http://127.0.0.1:${second.http.port}`])
  expect(events.filter(({ event }) => event === 'library')).toMatchObject([{ name: 'cats', seeders: 1 }])
  const asker = { infoHash: Buffer.from(infoHash, 'hex'), peerId: Buffer.alloc(20, 'x'), port: 9, left: 1 }
  expect((await announceHttp(second.http, asker)).peers).toEqual([{ host: '127.0.0.1', port }])
  await share.end()
})

test('who has gone meanwhile is found out by the heartbeat', async () => {
  const store = ['--store', `sqlite:${join(temporaryFolder('restart'), 'tracker.sqlite')}`]
  const first = await startOwnTracker(...store)
  const gone = { infoHash: Buffer.alloc(20, 7), peerId: Buffer.alloc(20, 'g'), port: 1, left: 0 }
  await announceHttp(first.http, gone)
  await first.shoal.end()
  const second = await startOwnTracker(...store, '--heartbeat', '1s', '--heartbeat-window', '1s')
  const probed = await second.shoal.event('heartbeat')
  expect(probed).toMatchObject({ address: '127.0.0.1:1', result: 'unreachable' })
})

test('what it has said is published outlives a kill right after, under its number', async () => {
  const store = ['--store', `sqlite:${join(temporaryFolder('restart'), 'tracker.sqlite')}`]
  const publisher = fakePublisher()
  const first = await startOwnTracker(...store)
  const told = (await publish(first.http, fakeLibrary(publisher, { name: 'cats' }))).json.results[0]
  await first.shoal.kill()
  const second = await startOwnTracker(...store)
  const next = (await publish(second.http, fakeLibrary(publisher, { name: 'dogs' }))).json.results[0]
  expect([told.number, next.number]).toEqual([1, 2])
  const again = (await publish(second.http, fakeLibrary(publisher, { name: 'birds' }))).json.results[0]
  await second.shoal.kill()
  const third = await startOwnTracker(...store)
  const last = (await publish(third.http, fakeLibrary(publisher, { name: 'fish' }))).json.results[0]
  expect([again.number, last.number]).toEqual([3, 4])
})
