/**
 * Two `shoal tracker` processes on one Redis: one catalog, one book of payload strings, one list of members
 * and invites, whichever is asked; and what remains of them when Redis loses its memory.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { askHttp, type FakePublisher, fakeLibrary, fakePublisher, postJson, publish } from '../kit/catalog.ts'
import { temporaryFolder } from '../kit/clean-up.ts'
import { type OwnTracker, startOwnTracker } from '../kit/own-tracker.ts'
import { announceHttp } from '../kit/raw-announce.ts'
import { RedisServer } from '../kit/redis-server.ts'
import { mustRun } from '../kit/shoal.ts'
import { until } from '../kit/waiting.ts'

type At = OwnTracker['http']

async function startTwo(...args: string[]) {
  const redis = await RedisServer.start()
  const start = () => startOwnTracker('--store', redis.url, ...args)
  const [a, b] = await Promise.all([start(), start()])
  return { redis, a, b, both: [a.http, b.http] as const }
}

async function startTwoClosed() {
  const tokenFile = join(temporaryFolder('operator'), 'token')
  const redis = await RedisServer.start()
  const start = () => startOwnTracker('--store', redis.url, '--mode', 'members', '--token-file', tokenFile)
  // The first makes the token.
  const [a, b] = [await start(), await start()]
  const operator = { authorization: `Bearer ${readFileSync(tokenFile, 'utf8').trim()}` }
  const post = (at: At, path: string, body: unknown) =>
    askHttp(at, path, {
      method: 'POST',
      headers: { ...operator, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const remove = (at: At, path: string) =>
    askHttp(at, path, {
      method: 'DELETE',
      headers: { ...operator, 'content-type': 'application/json' },
      body: '{}',
    })
  const invite = async (at: At, uses: number) => {
    const { status, json } = await post(at, '/api/v1/invites', { expiresIn: 3600, uses })
    expect(status).toBe(201)
    return { id: json.id as string, secret: (json.link as string).split('#')[1]! }
  }
  const openInvites = async (at: At): Promise<{ id: string; usesLeft: number }[]> =>
    (await askHttp(at, '/api/v1/invites', { headers: operator })).json.invites
  const members = async (at: At): Promise<{ id: string }[]> =>
    (await askHttp(at, '/api/v1/members', { headers: operator })).json.members
  const sees = (at: At, id: string) =>
    until('the invite', async () => (await openInvites(at)).some((one) => one.id === id))
  const enter = (at: At, secret: string) => postJson(at, '/api/v1/join', { invite: secret, name: 'anna' })
  return { redis, a, b, remove, invite, openInvites, members, sees, enter }
}

async function listed(at: At): Promise<[number, string][]> {
  const { json } = await askHttp(at, '/api/v1/libraries?all=true')
  const rows = json.libraries as { number: number; name: string }[]
  return rows.map(({ number, name }): [number, string] => [number, name]).sort(([x], [y]) => x - y)
}

function withdraw(at: At, number: number, { key, sign }: FakePublisher, record: string) {
  const message = Buffer.concat([Buffer.from('shoal catalog withdrawal 1\0'), Buffer.from(record, 'base64')])
  const signature = sign(message).toString('base64')
  return postJson(at, `/api/v1/libraries/${number}/withdraw`, { publisher: key.toString('hex'), signature })
}

test('what is published at one the other lists under the same number, until it is withdrawn', async () => {
  const { a, b } = await startTwo()
  const publisher = fakePublisher()
  const infoHash = randomBytes(20)
  const library = fakeLibrary(publisher, { name: 'summer', infoHash })
  const { number } = (await publish(a.http, library)).json.results[0]
  const url = `http://127.0.0.1:${b.http.port}`
  await until('the row at the other', async () => {
    const { events } = await mustRun(['ls', '--all', '--tracker', url])
    return events.some((event) => event.number === number && event.name === 'summer')
  })
  const other = fakeLibrary(fakePublisher(), { name: 'summer', infoHash })
  expect((await publish(b.http, other)).json.results[0]).toMatchObject({ ok: true, number, isNew: false })
  await until('the second source', async () => {
    const { json } = await askHttp(a.http, `/api/v1/libraries/${number}`)
    return json.publishers === 2
  })
  expect((await withdraw(b.http, number, publisher, library.record)).json).toEqual({ removed: true })
  await until('one source', async () => {
    const { json } = await askHttp(a.http, `/api/v1/libraries/${number}`)
    return json.publishers === 1
  })
  const gone = fakePublisher()
  const short = fakeLibrary(gone, { name: 'short' })
  const { number: second } = (await publish(a.http, short)).json.results[0]
  expect(second).toBe(number + 1)
  await until('both at the other', async () => (await listed(b.http)).length === 2)
  const answer = await withdraw(b.http, second, gone, short.record)
  expect(answer.json).toEqual({ removed: true })
  await until('one at the first', async () => (await listed(a.http)).length === 1)
})

test('what is published at both at one moment has numbers of its own, the same at both', async () => {
  const { a, b, both } = await startTwo()
  const rounds = Array.from({ length: 20 }, (_, i) =>
    publish(both[i % 2]!, fakeLibrary(fakePublisher(), { name: `library ${i}` })),
  )
  const infoHash = randomBytes(20)
  const same = both.map((at) => publish(at, fakeLibrary(fakePublisher(), { name: 'same', infoHash })))
  const numbers = (await Promise.all(rounds)).map(({ json }) => json.results[0].number as number)
  expect(new Set(numbers).size).toBe(20)
  const [one, two] = (await Promise.all(same)).map(({ json }) => json.results[0])
  expect(one.number).toBe(two.number)
  expect([one.isNew, two.isNew].sort()).toEqual([false, true])
  for (const at of both) await until('all of them', async () => (await listed(at)).length === 21)
  expect(await listed(a.http)).toEqual(await listed(b.http))
  for (const [number, name] of await listed(a.http))
    expect(number).toBe(name === 'same' ? one.number : numbers[Number(name.split(' ')[1])])
})

test('a payload put at one is found at the other, and new once only', async () => {
  const { a, b, both } = await startTwo()
  const put = async (at: At, payload: string) => (await postJson(at, '/api/v1/payloads', { payload })).status
  const statuses = await Promise.all([0, 1, 0, 1].map((i) => put(both[i]!, 'the same string')))
  expect(statuses.sort()).toEqual([200, 200, 200, 201])
  const { json } = await postJson(a.http, '/api/v1/payloads', { payload: 'shared words' })
  const path = `/api/v1/payloads/${json.payloadId}`
  await until('the string', async () => (await askHttp(b.http, path)).status === 200)
  expect((await askHttp(b.http, path)).json).toMatchObject({ valid: true, payload: 'shared words' })
})

test('an invite has its uses at all trackers together; members and revocations count at all', async () => {
  const { a, b, remove, invite, openInvites, members, sees, enter } = await startTwoClosed()
  const one = await invite(a.http, 1)
  await sees(b.http, one.id)
  const entered = await Promise.all([a, b, a, b].map(({ http }) => enter(http, one.secret)))
  expect(entered.map(({ status }) => status).sort()).toEqual([201, 403, 403, 403])
  const { memberId, passkey } = entered.find(({ status }) => status === 201)!.json
  const announce = { infoHash: Buffer.alloc(20, 'a'), peerId: Buffer.alloc(20, 'b'), port: 6881, left: 0 }
  const failureAt = async (at: At) =>
    (await announceHttp(at, { ...announce, path: `/${passkey}/announce` })).failure
  for (const { http } of [a, b]) {
    // Not by trying: wrong passkeys are refused unseen after some.
    await until('the member', async () => (await members(http)).some(({ id }) => id === memberId))
    expect(await failureAt(http)).toBeUndefined()
  }
  expect((await remove(b.http, `/api/v1/members/${memberId}`)).status).toBe(200)
  await until('refusal', async () => /not valid/.test((await failureAt(a.http)) ?? ''))

  const several = await invite(a.http, 3)
  await sees(b.http, several.id)
  expect((await enter(b.http, several.secret)).status).toBe(201)
  await until('two uses left', async () => (await openInvites(a.http))[0]?.usesLeft === 2)
  expect((await remove(a.http, `/api/v1/invites/${several.id}`)).status).toBe(200)
  await until('its end', async () => (await openInvites(b.http)).length === 0)
  expect((await enter(b.http, several.secret)).status).toBe(403)
})

test('while Redis is away writes are refused with a reason; one that comes back empty is filled by those who publish', async () => {
  const { redis, a, b, both } = await startTwo()
  const library = fakeLibrary(fakePublisher(), { name: 'kept' })
  const { number } = (await publish(a.http, library)).json.results[0]
  await until('the row at the other', async () => (await listed(b.http)).length === 1)
  await redis.kill()
  for (const { shoal } of [a, b]) await shoal.event('store-lost')
  for (const at of both) {
    const refused = await publish(at, fakeLibrary(fakePublisher()))
    expect(refused).toMatchObject({ status: 503, json: { code: 'store/away', hint: expect.any(String) } })
    expect((await postJson(at, '/api/v1/payloads', { payload: 'x' })).json.code).toBe('store/away')
    expect(await listed(at)).toEqual([[number, 'kept']])
  }
  await redis.startAgain()
  for (const { shoal } of [a, b]) await shoal.event('store-regained')
  for (const at of both) await until('an empty catalog', async () => (await listed(at)).length === 0)
  // As `share` does from time to time.
  const again = (await publish(b.http, library)).json.results[0]
  expect(again.isNew).toBe(true)
  expect(again.number, 'a number that stood for something is not given to another').toBeGreaterThan(number)
  await until('the row', async () => (await listed(a.http)).length === 1)
  expect(await listed(a.http)).toEqual([[again.number, 'kept']])
  for (const { shoal } of [a, b]) {
    expect(shoal.all('error')).toEqual([])
    expect((await shoal.end()).code).toBe(0)
  }
})
