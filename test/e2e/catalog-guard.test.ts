/** What the catalog and the API stand against, and what survives a restart. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { askHttp, fakeLibrary, fakePublisher, publish } from '../kit/catalog.ts'
import { temporaryFolder } from '../kit/clean-up.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { ALONE, mustRun, Shoal } from '../kit/shoal.ts'

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

test('the catalog, with its numbers, is there again after a restart', async () => {
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

const sharp = await import('sharp').then(
  (module) => module.default,
  () => undefined,
)

if (!sharp) console.log('skipped: sharp is not installed')
test.skipIf(!sharp)('pictures are shrunk by who publishes them, shown, and kept over a restart', async () => {
  const root = temporaryFolder('pictures')
  const store = `sqlite:${join(root, 'tracker.sqlite')}`
  const folder = join(root, 'pictures')
  mkdirSync(folder)
  const picture = { create: { width: 1600, height: 900, channels: 3, background: '#20a0c0' } } as const
  for (const name of ['a', 'b'])
    await sharp?.(picture)
      .jpeg()
      .toFile(join(folder, `${name}.jpg`))
  writeFileSync(join(folder, 'c.jpg'), '<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>')
  const first = await startOwnTracker('--store', store)
  const url = `http://${first.http.host}:${first.http.port}`
  const local = ['--host', '127.0.0.1', '--port', '0', ...ALONE]
  const share = Shoal.start(['share', folder, '--tracker', url, ...local])
  await share.event('listed')
  const { json } = await askHttp(first.http, '/api/v1/libraries/1')
  expect(json).toMatchObject({ files: 3, placeholder: expect.any(String) })
  // The two pictures are alike, and what begins like no picture is left alone.
  const [hash] = json.previews
  expect(new Set(json.previews).size).toBe(1)
  const shown = await askHttp(first.http, `/api/v1/previews/${hash}`)
  expect([shown.status, shown.headers['content-type']]).toEqual([200, 'image/webp'])
  expect((await sharp?.(shown.body).metadata())?.width).toBe(320)
  await share.end()
  await first.shoal.end()
  const second = await startOwnTracker('--store', store)
  expect((await askHttp(second.http, `/api/v1/previews/${hash}`)).body).toEqual(shown.body)
  expect((await askHttp(second.http, '/library/1')).body.toString()).toContain(`/api/v1/previews/${hash}`)
})
