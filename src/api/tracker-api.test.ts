import http from 'node:http'
import { Registry } from 'prom-client'
import { Value } from 'typebox/value'
import { afterEach, describe, expect, test } from 'vitest'
import { SipHash } from '../base/siphash.ts'
import { MemoryStore } from '../nodejs/memory-store.ts'
import { PayloadBook } from '../nodejs/payload-book.ts'
import { TrackerAccess } from '../nodejs/tracker-access.ts'
import { TrackerServer } from '../nodejs/tracker-server.ts'
import { PublishLimits, publishLimitOptions } from '../tracker/publish-limits.ts'
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

async function start(options: Partial<TrackerApiOptions> = {}) {
  const tracker = await TrackerServer.listen({ port: 0, host: '127.0.0.1' })
  const events = new EventHub()
  const store = new MemoryStore()
  const now = () => 1_700_000_000_000
  const failures: unknown[] = []
  const api = await openTrackerApi(
    {
      payloads: await PayloadBook.open(store),
      access: await TrackerAccess.open({ mode: 'open', tokenFile: undefined }, store),
      version: '0.0.0',
      tracker,
      events,
      store,
      catalog: await CatalogService.open({ store, tracker, now, follows: new Set() }),
      metrics: new Registry(),
      publishing: new PublishLimits(new SipHash(new Uint8Array(16)), publishLimitOptions(undefined)),
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
  return { tracker, events, ask, port, failures }
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
