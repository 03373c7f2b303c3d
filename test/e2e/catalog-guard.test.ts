/** What the catalog and the API stand against, and what survives a restart. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { askHttp, fakeLibrary, fakePublisher, publish } from '../kit/catalog.ts'
import { temporaryFolder } from '../kit/clean-up.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { mustRun } from '../kit/shoal.ts'

async function list({ http }: Awaited<ReturnType<typeof startOwnTracker>>, ...args: string[]) {
  const { events } = await mustRun(['ls', ...args, '--tracker', `http://${http.host}:${http.port}`])
  return { rows: events.filter(({ event }) => event === 'library') }
}

test('S32 a flood of fakes does not displace a publisher whom somebody follows', async () => {
  const tracker = await startOwnTracker()
  const { http } = tracker
  const [good, bad] = [fakePublisher(), fakePublisher()]
  const real = fakeLibrary(good, { name: 'holiday pictures' })
  const { number } = (await publish(http, real)).json.results[0]
  let registered = 0
  for (let i = 0; i < 11; i++) {
    const fakes = [...Array(100).keys()].map(() => fakeLibrary(bad, { name: 'holiday pictures' }))
    registered += (await publish(http, ...fakes)).json.registered
  }
  expect(registered).toBe(1000)
  const args = ['holiday', '--all', '--follow', good.key.toString('hex')]
  const { rows } = await list(tracker, ...args)
  expect(rows[0]).toMatchObject({ number, isFollowed: true })
  expect(rows.slice(1).every(({ isFollowed }) => !isFollowed)).toBe(true)
})

test('S33 S35 foreign names and foreign pages are refused', async () => {
  const { http } = await startOwnTracker()
  for (const path of ['/', '/api', '/api/v1/libraries', '/stats.json'])
    expect((await askHttp(http, path, { headers: { host: 'rebound.example' } })).status, path).toBe(421)
  expect((await askHttp(http, '/healthz', { headers: { host: 'rebound.example' } })).status).toBe(200)
  const { json: api } = await askHttp(http, '/api')
  const changing = api.routes.filter(({ method }: { method: string }) => method !== 'GET')
  expect(changing.length).toBeGreaterThan(0)
  for (const { method, path } of changing) {
    const at = path.replace(/:\w+/, '1')
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    expect((await askHttp(http, at, { method, headers: form, body: 'a=1' })).status, path).toBe(415)
    const headers = { 'content-type': 'application/json', origin: 'https://evil.example' }
    expect((await askHttp(http, at, { method, headers, body: '{}' })).status, path).toBe(403)
  }
})

test('the catalog, with numbers and pictures, is there again after a restart', async () => {
  const file = join(temporaryFolder('restart'), 'tracker.sqlite')
  const first = await startOwnTracker('--store', `sqlite:${file}`)
  const publisher = fakePublisher()
  await publish(first.http, fakeLibrary(publisher, { name: 'one' }), fakeLibrary(publisher, { name: 'two' }))
  await first.shoal.end()
  expect(existsSync(file)).toBe(true)
  const second = await startOwnTracker('--store', `sqlite:${file}`)
  const { rows } = await list(second, '--all', '--sort', 'number')
  expect(rows.map(({ number, name }) => [number, name])).toEqual([
    [1, 'one'],
    [2, 'two'],
  ])
})
