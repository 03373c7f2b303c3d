/** How much one address may put into a tracker: 429 beyond it, with the time to come back. */
import { expect, test } from 'vitest'
import { askHttp, fakeLibrary, fakePublisher, type HttpAnswer, publish } from '../kit/catalog.ts'
import { temporaryFolder } from '../kit/clean-up.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { runShoal } from '../kit/shoal.ts'

type At = { host: string; port: number }

function post(at: At, path: string, body: unknown, forwardedFor?: string): Promise<HttpAnswer> {
  const headers = {
    'content-type': 'application/json',
    ...(forwardedFor !== undefined && { 'x-forwarded-for': forwardedFor }),
  }
  return askHttp(at, `/api/v1/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
}

const putPayload = (at: At, text: string, forwardedFor?: string) =>
  post(at, 'payloads', { payload: text }, forwardedFor)

function expectRefusal({ status, headers, json }: HttpAnswer): void {
  expect({ status, code: json.code }).toEqual({ status: 429, code: 'tracker/too-much-published' })
  expect(headers['content-type']).toContain('application/problem+json')
  // One of four an hour comes back after a quarter of it.
  expect(Number(headers['retry-after'])).toBeGreaterThan(800)
  expect(Number(headers['retry-after'])).toBeLessThanOrEqual(900)
  expect(json.hint).toContain('--publish-limit')
}

test('libraries, payload strings, withdrawals, .torrent files and invites draw on one budget', async () => {
  const { http } = await startOwnTracker('--publish-limit', '4')
  const { json } = await publish(
    http,
    ...[1, 2, 3].map((i) => fakeLibrary(fakePublisher(), { name: `${i}` })),
  )
  expect(json.registered).toBe(3)
  expect((await putPayload(http, 'first')).status).toBe(201)
  expectRefusal(await putPayload(http, 'second'))
  expectRefusal(await publish(http, fakeLibrary(fakePublisher())))
  expectRefusal(await post(http, 'libraries/1/withdraw', { publisher: '00'.repeat(32), signature: 'AA==' }))
  expectRefusal(await post(http, 'invites', { expiresIn: 60, uses: 1 }))
  const torrent = { 'content-type': 'application/x-bittorrent' }
  const put = { method: 'PUT', headers: torrent, body: 'd4:infoi1ee' }
  expectRefusal(await askHttp(http, '/api/v1/libraries/1/torrent', put))
  // Reading goes on.
  expect((await askHttp(http, '/api/v1/libraries?all=true')).json.total).toBe(3)
})

test('a proxy that is trusted speaks for others, each with a budget of their own; nobody else does', async () => {
  const { http } = await startOwnTracker('--publish-limit', '4', '--trusted-proxy', '127.0.0.1')
  for (let i = 0; i < 4; i++) expect((await putPayload(http, `a${i}`, '192.0.2.1')).status).toBe(201)
  expectRefusal(await putPayload(http, 'a4', '192.0.2.1'))
  expectRefusal(await putPayload(http, 'a4', '203.0.113.9, 192.0.2.1'))
  expect((await putPayload(http, 'b', '192.0.2.2')).status).toBe(201)
  const closed = await startOwnTracker('--publish-limit', '4')
  for (let i = 0; i < 4; i++)
    expect((await putPayload(closed.http, `c${i}`, `192.0.2.${i}`)).status).toBe(201)
  expectRefusal(await putPayload(closed.http, 'c4', '192.0.2.99'))
})

test('a command says what the tracker said; without the setting this machine is not limited', async () => {
  const { http } = await startOwnTracker('--publish-limit', '1')
  const url = `http://${http.host}:${http.port}`
  const cwd = temporaryFolder('limited')
  expect((await putPayload(http, 'one')).status).toBe(201)
  const { code, events } = await runShoal(['payload', 'put', 'two', '--tracker', url], { cwd })
  expect(code).toBe(1)
  expect(events.at(-1)).toMatchObject({ event: 'error', code: 'tracker/too-much-published' })
  const free = await startOwnTracker()
  for (let i = 0; i < 20; i++) expect((await putPayload(free.http, `${i}`)).status).toBe(201)
})
