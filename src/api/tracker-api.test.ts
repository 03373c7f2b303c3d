import { once } from 'node:events'
import http from 'node:http'
import { Registry } from 'prom-client'
import { Value } from 'typebox/value'
import { afterEach, describe, expect, test } from 'vitest'
import { until } from '../../test/kit/waiting.ts'
import { LIMITS } from '../base/limits.ts'
import { SipHash } from '../base/siphash.ts'
import { MemoryStore } from '../nodejs/memory-store.ts'
import { PayloadBook } from '../nodejs/payload-book.ts'
import { TrackerAccess } from '../nodejs/tracker-access.ts'
import { TrackerServer } from '../nodejs/tracker-server.ts'
import type { AccessMode } from '../tracker/access.ts'
import { SourceBudgets } from '../tracker/source-budgets.ts'
import { publishBudget } from '../tracker/source-rules.ts'
import { CatalogService } from './catalog-service.ts'
import { ApiDescription, TrackerStatistics } from './contract.ts'
import { EventHub } from './event-hub.ts'
import { openTrackerApi, type TrackerApiOptions } from './tracker-api.ts'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: what the fields are is what the tests check
  json: any
}
type Asked = http.RequestOptions & { body?: string }

interface StartOptions extends Partial<TrackerApiOptions> {
  readonly mode?: AccessMode
  readonly trustedProxies?: readonly string[]
}

async function start({ mode = 'open', trustedProxies = [], ...options }: StartOptions = {}) {
  const tracker = await TrackerServer.listen({ port: 0, host: '127.0.0.1', trustedProxies })
  const events = new EventHub()
  const store = new MemoryStore()
  const now = () => 1_700_000_000_000
  const failures: unknown[] = []
  const access = await TrackerAccess.open({ mode, tokenFile: undefined }, store)
  const api = await openTrackerApi(
    {
      payloads: await PayloadBook.open(store),
      access,
      version: '0.0.0',
      tracker,
      events,
      store,
      catalog: await CatalogService.open({ store, tracker, now, follows: new Set() }),
      metrics: new Registry(),
      publishing: new SourceBudgets(new SipHash(new Uint8Array(16)), publishBudget(undefined)),
      now,
    },
    { hosts: [], origins: [], onFailure: (error) => failures.push(error), ...options },
  )
  tracker.serveOthers(api.handle)
  stops.push(async () => {
    await api.close()
    await tracker.close()
  })
  const { port } = tracker.endpoint
  const ask = (path: string, { body, ...options }: Asked = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const request = http.request(
        { host: '127.0.0.1', port, path, agent: false, ...options },
        (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (chunk) => {
            text += chunk
          })
          response.on('end', () => {
            const isJson = /json/.test(response.headers['content-type'] ?? '')
            resolve({
              status: response.statusCode!,
              headers: response.headers,
              text,
              json: isJson ? JSON.parse(text) : undefined,
            })
          })
        },
      )
      request.on('error', reject).end(body)
    })
  return { tracker, access, events, ask, port, failures }
}

describe('what there is', () => {
  test('GET /api lists the routes, each of which is in the OpenAPI document (W8)', async () => {
    const { ask } = await start()
    const { json } = await ask('/api')
    expect(Value.Check(ApiDescription, json)).toBe(true)
    const document = (await ask('/api/openapi.json')).json
    expect(document.openapi).toBe('3.1.0')
    for (const { method, path } of json.routes) {
      const template = path.replace(/:(\w+)/g, '{$1}')
      expect(document.paths[template], path).toHaveProperty(method.toLowerCase())
    }
  })

  test('figures as JSON and for Prometheus', async () => {
    const { ask } = await start()
    const stats = await ask('/stats.json')
    expect(Value.Check(TrackerStatistics, stats.json)).toBe(true)
    expect((await ask('/api/v1/stats')).json).toMatchObject({ swarms: 0, peers: 0 })
    const { text } = await ask('/metrics')
    expect(text).toMatch(/^shoal_tracker_peers 0$/m)
  })

  test('announces keep their own path and need no Host that we know', async () => {
    const { ask } = await start()
    const query = `info_hash=${'%FF'.repeat(20)}&peer_id=${'-'.repeat(20)}&port=1&left=1`
    const { status, text } = await ask(`/announce?${query}`, { headers: { host: 'evil.example' } })
    expect([status, text.startsWith('d8:complete')]).toEqual([200, true])
  })
})

describe('refusals are problem documents', () => {
  test.for([
    ['GET', '/api/v1/nothing', 404, 'api/not-found'],
    ['PUT', '/api', 405, 'api/method-not-allowed'],
    ['GET', '/%zz', 400, 'api/bad-request'],
  ] as const)('%s %s', async ([method, path, status, code]) => {
    const { ask } = await start()
    const headers = { 'content-type': 'application/json' }
    const answer = await ask(path, { method, ...(method !== 'GET' && { headers, body: '{}' }) })
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(answer.json).toMatchObject({ status, code, type: `urn:shoal:error:${code}` })
    expect(answer.status).toBe(status)
  })
})

describe('who may ask', () => {
  test.for([
    ['evil.example', 421],
    ['127.0.0.1.evil.example:80', 421],
    ['127.0.0.1:6969', 200],
    ['[::1]:6969', 200],
    ['localhost', 200],
    ['LOCALHOST.:1', 200],
    ['tracker.example.org:6969', 200],
  ] as const)('Host %s gets %i (S33)', async ([host, status]) => {
    const { ask } = await start({ hosts: ['tracker.example.org'] })
    for (const path of ['/', '/api', '/stats.json', '/api/v1/stats', '/metrics'])
      expect((await ask(path, { headers: { host } })).status, path).toBe(status)
    expect((await ask('/healthz', { headers: { host } })).status).toBe(200)
  })

  test('--api-host any serves every name', async () => {
    const { ask } = await start({ hosts: ['any'] })
    expect((await ask('/api', { headers: { host: 'evil.example' } })).status).toBe(200)
  })

  test('answers are for the own origin and for those that were named (S34)', async () => {
    const { ask } = await start({ origins: ['https://friend.example'] })
    const from = async (origin: string) =>
      (await ask('/api', { headers: { origin } })).headers['access-control-allow-origin']
    expect(await from('https://evil.example')).toBeUndefined()
    expect(await from('null')).toBeUndefined()
    expect(await from('https://friend.example')).toBe('https://friend.example')
    const preflight = await ask('/api', { method: 'OPTIONS', headers: { origin: 'https://evil.example' } })
    expect(preflight.headers['access-control-allow-methods']).toBeUndefined()
  })

  test('a page that was named may ask a closed tracker first, which browsers do without a credential', async () => {
    const { ask } = await start({ origins: ['https://friend.example'], mode: 'members' })
    const headers = { origin: 'https://friend.example' }
    const preflight = await ask('/api/v1/libraries', { method: 'OPTIONS', headers })
    expect(preflight.status).toBe(204)
    expect(preflight.headers['access-control-allow-headers']).toContain('authorization')
    expect((await ask('/api/v1/libraries', { headers })).status).toBe(401)
  })

  test('wrong secrets count for whom a trusted proxy speaks, not for all behind it (S24, S43)', async () => {
    const { ask } = await start({ mode: 'members', trustedProxies: ['127.0.0.1'] })
    const guess = async (source: string) => {
      const headers = { authorization: `Bearer ${'x'.repeat(43)}`, 'x-forwarded-for': source }
      return (await ask('/api/v1/stats', { headers })).status
    }
    for (let i = 0; i < 10; i++) expect(await guess('203.0.113.7')).toBe(401)
    expect(await guess('203.0.113.7')).toBe(429)
    expect(await guess('203.0.113.8')).toBe(401)
  })

  test('links say https where a trusted proxy says that it was asked so, and nobody else is believed (S24)', async () => {
    for (const [trustedProxies, scheme] of [
      [['127.0.0.1'], 'https'],
      [[], 'http'],
    ] as const) {
      const { ask, access } = await start({ mode: 'invite', trustedProxies, hosts: ['tracker.example'] })
      const headers = {
        ...{ authorization: `Bearer ${access.newToken}`, 'content-type': 'application/json' },
        ...{ host: 'tracker.example', 'x-forwarded-proto': 'http, HTTPS' },
      }
      const { json } = await ask('/api/v1/invites', { method: 'POST', headers, body: '{}' })
      expect(json.link).toMatch(new RegExp(`^${scheme}://tracker\\.example/join#`))
    }
  })

  test('no other page may change anything (S35)', async () => {
    const { ask, port } = await start()
    const post = async (headers: http.OutgoingHttpHeaders) =>
      (await ask('/api', { method: 'POST', headers, body: '{}' })).json.code
    const json = { 'content-type': 'application/json' }
    expect(await post({ 'content-type': 'text/plain' })).toBe('api/not-json')
    expect(await post({ 'content-type': 'application/x-www-form-urlencoded' })).toBe('api/not-json')
    expect(await post({ ...json, origin: 'https://evil.example' })).toBe('api/foreign-origin')
    expect(await post({ ...json, origin: 'null' })).toBe('api/foreign-origin')
    expect(await post({ ...json, 'sec-fetch-site': 'cross-site' })).toBe('api/foreign-origin')
    expect(await post({ ...json, origin: `http://127.0.0.1:${port}` })).toBe('api/method-not-allowed')
  })

  test('pages run no foreign script and stand in no frame (S36, S44)', async () => {
    const { ask } = await start()
    for (const path of ['/', '/nothing', '/api']) {
      const { headers } = await ask(path)
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
      expect(headers['content-security-policy']).not.toContain('unsafe')
      expect(headers['x-content-type-options']).toBe('nosniff')
    }
  })
})

test('live news reach a listener, and it is let go at the end', async () => {
  const { events, port } = await start()
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const request = http.get({ host: '127.0.0.1', port, path: '/api/v1/events', agent: false }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
      if (events.size === 1 && !text.includes('event:')) events.publish('library', { number: 1 })
      if (text.includes('\n\n', text.indexOf('event:')) && text.includes('event:')) resolve(text)
    })
    response.on('error', reject)
  })
  request.on('error', () => {})
  expect(await promise).toContain('id: 1\nevent: library\ndata: {"number":1}\n\n')
  expect(events.size).toBe(1)
  request.destroy()
})

test('one address does not take all places for listeners, and gets back those it leaves (S25)', async () => {
  const { events, port } = await start({ trustedProxies: ['127.0.0.1'] })
  const listen = async (source: string) => {
    const request = http.get({
      ...{ host: '127.0.0.1', port, path: '/api/v1/events', agent: false },
      headers: { 'x-forwarded-for': source },
    })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    request.on('error', () => {})
    response.on('error', () => {})
    if (response.statusCode !== 200) response.resume()
    return { status: response.statusCode, leave: () => request.destroy() }
  }
  const most = LIMITS.apiStreamsPerSourceMax.value
  const streams = []
  for (let i = 0; i < most; i++) streams.push(await listen(`2001:db8:0:7::${i.toString(16)}`))
  expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]))
  expect((await listen('2001:db8:0:7::ffff')).status).toBe(503)
  expect((await listen('2001:db8:0:8::1')).status).toBe(200)
  streams[0]!.leave()
  await until('a place', () => events.size === most)
  expect((await listen('2001:db8:0:7::ffff')).status).toBe(200)
})

test('large bodies that do not arrive keep out other large ones, and nobody else', async () => {
  const { ask, port } = await start()
  const headers = { 'content-type': 'application/json' }
  const slow = Array.from({ length: LIMITS.apiUploadsMax.value }, (_, i) => {
    const path = i % 2 === 0 ? '/api/v1/payloads' : '/api/v1/libraries'
    const request = http.request({
      ...{ host: '127.0.0.1', port, path, method: 'POST', agent: false },
      headers: { ...headers, 'content-length': LIMITS.apiBodyBytesMax.value + 1 },
    })
    request.on('error', () => {}).write('{')
    return request
  })
  const large = { method: 'POST', headers, body: JSON.stringify({ payload: 'x'.repeat(300_000) }) }
  await until('a refusal', async () => (await ask('/api/v1/payloads', large)).json.code === 'api/busy')
  const small = { method: 'POST', headers, body: '{"payload":"x"}' }
  expect((await ask('/api/v1/payloads', small)).status).toBe(201)
  for (const request of slow) request.destroy()
  await until('room', async () => (await ask('/api/v1/payloads', large)).status < 300)
})
