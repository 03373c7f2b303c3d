import fc from 'fast-check'
import { Registry } from 'prom-client'
import { afterEach, expect, test } from 'vitest'
import { SipHash } from '../base/siphash.ts'
import { MemoryStore } from '../nodejs/memory-store.ts'
import { PayloadBook } from '../nodejs/payload-book.ts'
import { TrackerAccess } from '../nodejs/tracker-access.ts'
import { TrackerServer, type TrackerServerOptions } from '../nodejs/tracker-server.ts'
import { SourceBudgets } from '../tracker/source-budgets.ts'
import { publishBudget } from '../tracker/source-rules.ts'
import { CatalogService } from './catalog-service.ts'
import { EventHub } from './event-hub.ts'
import { openTrackerApi } from './tracker-api.ts'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

async function start(options: Partial<TrackerServerOptions> = {}) {
  const tracker = await TrackerServer.listen({ port: 0, host: '127.0.0.1', ...options })
  const failures: unknown[] = []
  const store = new MemoryStore()
  const now = () => 0
  const api = await openTrackerApi(
    {
      payloads: await PayloadBook.open(store),
      access: await TrackerAccess.open({ mode: 'open', tokenFile: undefined }, store),
      version: '0.0.0',
      tracker,
      events: new EventHub(),
      store,
      catalog: await CatalogService.open({ store, tracker, now, follows: new Set() }),
      metrics: new Registry(),
      publishing: new SourceBudgets(new SipHash(new Uint8Array(16)), publishBudget(undefined)),
      now,
    },
    { hosts: [], origins: [], onFailure: (error) => failures.push(error) },
  )
  tracker.serveOthers(api.handle)
  stops.push(async () => {
    await api.close()
    await tracker.close()
  })
  const base = `http://127.0.0.1:${tracker.endpoint.port}/api/v1`
  const post = async (route: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${base}/${route}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    // biome-ignore lint/suspicious/noExplicitAny: what the fields are is what the tests check
    return { status: response.status, json: (await response.json()) as any }
  }
  return { base, post, failures }
}

const ME = { peer_id: 'me', hostaddr: '127.0.0.1', port: 4000 }

test('whatever is posted, the answer is one of those described', async () => {
  const { base, post, failures } = await start()
  const hash = '07'.repeat(20)
  const value = fc.oneof(
    fc.constantFrom(hash, ME.peer_id, '127.0.0.1', '::1', 4000, 0, -1, 1e9, 1.5, null, true, '', [], {}),
    fc.constantFrom([[0, 3]], [[3, 0]], [[0, 1, 2]], [['a', 'b']], [[0, 4_000_000]]),
    fc.string(),
    fc.integer(),
  )
  const field = fc.constantFrom(
    ...['info_hash', 'peer_id', 'hostaddr', 'port', 'ip', 'have', 'left', 'pieces', 'replace', 'peer_port'],
  )
  const body = fc.oneof(fc.dictionary(field, value, { maxKeys: 10 }), fc.array(value), value)
  const route = fc.constantFrom('register', 'deregister', 'have', 'report')
  await fc.assert(
    fc.asyncProperty(route, body, async (name, given) => {
      const { status, json } = await post(name, given)
      expect([200, 201, 400, 403]).toContain(status)
      if (status >= 400) expect(typeof json.code).toBe('string')
    }),
    { numRuns: 500 },
  )
  expect(failures).toEqual([])
  expect((await fetch(`${base}/peers`)).status).toBe(200)
})

test('a proxy that was named speaks for others, and nobody else does', async () => {
  const { post } = await start({ trustedProxies: ['127.0.0.1'] })
  const theirs = { ...ME, hostaddr: '203.0.113.7' }
  const forwarded = (address: string) => ({ 'x-forwarded-for': address })
  expect((await post('register', theirs, forwarded('203.0.113.7'))).status).toBe(201)
  expect((await post('register', theirs, forwarded('203.0.113.8'))).json.code).toBe('tracker/foreign-address')
  expect((await post('deregister', theirs, forwarded('203.0.113.8'))).status).toBe(403)
  expect((await post('deregister', theirs, forwarded('203.0.113.7'))).json.removed).toBe(true)
})

test('requests count against the limit of their source', async () => {
  const { post } = await start({ sourceLimit: 5 })
  const codes: number[] = []
  for (let i = 0; i < 20; i++) codes.push((await post('register', ME)).status)
  expect(codes).toContain(429)
})

test('a v2 infohash is known by its first twenty bytes', async () => {
  const { base, post } = await start()
  await post('register', { ...ME, info_hash: 'ab'.repeat(32), left: 0 })
  for (const id of ['ab'.repeat(20), 'AB'.repeat(32)]) {
    const response = await fetch(`${base}/peers?info_hash=${id}`)
    expect(await response.json()).toMatchObject({ total: 1, peers: [{ peer_id: 'me', seed: true }] })
  }
})
