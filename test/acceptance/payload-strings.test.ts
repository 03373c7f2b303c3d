/** Requirements of the `payload` system about payload strings: ids, hashes, claims, and who holds what. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bencode } from '../kit/bencode.ts'
import { temporaryFolder } from '../kit/clean-up.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { askRaw, type RawAnswer } from '../kit/service-asker.ts'
import { ALONE, mustRun, runShoal, Shoal } from '../kit/shoal.ts'

const MIB = 1024 * 1024
const LOCAL = ['--host', '127.0.0.1', '--port', '0', ...ALONE]

interface ApiAnswer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: what the fields are is what the tests check
  body: any
}

class Api {
  readonly url: string
  readonly tracker: string

  constructor({ host, port }: { host: string; port: number }) {
    this.tracker = `http://${host}:${port}`
    this.url = `${this.tracker}/api/v1`
  }

  async ask(path: string, body?: unknown): Promise<ApiAnswer> {
    const response = await fetch(path.startsWith('/api') ? this.tracker + path : this.url + path, {
      ...(body !== undefined && {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    })
    return { status: response.status, body: await response.json() }
  }

  put(payload: string): Promise<ApiAnswer> {
    return this.ask('/payloads', { payload })
  }
}

async function startApi(...args: string[]): Promise<Api> {
  return new Api((await startOwnTracker(...args)).http)
}

/** `shoal payload put`, staying; its id and where it listens. */
async function startPut(text: string, args: string[] = ['--no-tracker']) {
  const shoal = Shoal.start(['payload', 'put', text, '--dir', temporaryFolder('put'), ...LOCAL, ...args])
  const { payloadId } = await shoal.event('holding')
  const { host, port } = await shoal.peerEndpoint()
  return { shoal, id: `${payloadId}`, address: `${host}:${port}`, port }
}

function ask(address: string, id: string, claims: string[]) {
  return runShoal(['ask', address, '--payload', id, ...claims.flatMap((claim) => ['--claim', claim])])
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Four characters each: an independent reading of the rule. */
function chunksOf(text: string): string[] {
  const characters = [...text]
  const chunks: string[] = []
  for (let at = 0; at < characters.length; at += 4) chunks.push(characters.slice(at, at + 4).join(''))
  return chunks
}

test('W8 the tracker has an API that says what it can be asked, and every answer is JSON', async () => {
  const tracker = await startOwnTracker()
  const listening = await tracker.shoal.event('listening', ({ service }) => service === 'tracker')
  const api = new Api(tracker.http)
  expect(listening.api).toBe(api.url)
  const { body } = await api.ask('/api')
  const routes = body.routes.map(({ method, path }: { method: string; path: string }) => `${method} ${path}`)
  for (const route of ['POST /api/v1/payloads', 'GET /api/v1/payloads/:id', 'GET /api/v1/stats'])
    expect(routes).toContain(route)
  expect((await api.ask('/api/openapi.json')).body.openapi).toMatch(/^3\.1/)
  const unknown = await api.ask('/bananas')
  expect(unknown).toMatchObject({ status: 404, body: { status: 404, code: 'api/not-found' } })
  expect(await api.ask('/payloads', {})).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'payload' }] },
  })
})

test('W9 any string can be put: empty, one character, 1 MiB, unicode, from an argument or standard input', async () => {
  const tracker = await startOwnTracker()
  const url = `http://127.0.0.1:${tracker.http.port}`
  for (const text of ['', 'a', 'žluťoučký kůň 🐎 -- "quoted"\nline']) {
    const { result } = await mustRun(['payload', 'put', text, '--exit', '--tracker', url])
    expect(result.payloadId, text).toMatch(/^[0-9a-f]{64}$/)
    const got = await mustRun(['payload', 'get', result.payloadId, '--no-seed', '--tracker', url])
    expect(got.result.payload).toBe(text)
  }
  const long = 'ž'.repeat(MIB / 2)
  const put = Shoal.start(['payload', 'put', '-', '--exit', '--tracker', url])
  put.type(long.slice(0, -1))
  put.closeStdin()
  const { payloadId, bytes } = await put.event('payload')
  // The line ends with a newline, as typed.
  expect(bytes).toBe(MIB - 1)
  expect((await mustRun(['payload', 'get', payloadId, '--no-seed', '--tracker', url])).result.payload).toBe(
    `${long.slice(0, -1)}\n`,
  )
  const api = new Api(tracker.http)
  expect((await api.put(long)).status).toBe(201)
  expect(await api.put(`${long}a`)).toMatchObject({ status: 413, body: { code: 'payload/too-large' } })
})

test('W10 the same string has the same id, and one entry, whoever puts it', async () => {
  const api = await startApi()
  const put = (...args: string[]) =>
    mustRun(['payload', 'put', 'the same string', '--exit', '--tracker', api.tracker, ...args])
  const [first, second] = [await put(), await put()]
  expect(first.result).toMatchObject({ status: 'stored' })
  expect(second.result).toMatchObject({ status: 'already known', payloadId: first.result.payloadId })
  const human = await runShoal(['payload', 'put', 'the same string', '--exit', '--tracker', api.tracker], {
    json: false,
  })
  expect(human.stdout).toBe(`payloadId ${first.result.payloadId} (already known)\n`)
  const metrics = await (await fetch(`${api.tracker}/metrics`)).text()
  expect(metrics).toMatch(/^shoal_tracker_payloads 1$/m)
})

test('W11 different strings have different ids, the same after a restart and on any machine', async () => {
  const store = `sqlite:${join(temporaryFolder('store'), 'tracker.sqlite')}`
  const before = await startOwnTracker('--store', store)
  const api = new Api(before.http)
  const texts = ['asdaqwer', 'qwerasda', 'asdaqwer ', 'asdaqweR', 'rewqadsa', ...'abcdefghij']
  const ids = await Promise.all(texts.map(async (text) => (await api.put(text)).body.payloadId as string))
  expect(new Set(ids).size).toBe(texts.length)
  await before.shoal.end()
  const after = new Api((await startOwnTracker('--store', store)).http)
  for (const [index, text] of texts.entries())
    expect(await after.put(text)).toMatchObject({ status: 200, body: { payloadId: ids[index] } })
  // Pinned: no machine, version or day may give another one. 10,000 strings: src/catalog/payload.test.ts.
  expect((await after.put('asdaqwerzxcv')).body.payloadId).toBe(
    (await mustRun(['payload', 'put', 'asdaqwerzxcv', '--no-tracker', '--exit'])).result.payloadId,
  )
})

test('W15 chunk hashes and root hash are what anybody computes', async () => {
  const api = await startApi()
  const text = 'seventeen letters'
  const { result } = await mustRun(['payload', 'put', text, '--exit', '--tracker', api.tracker])
  const got = await mustRun([
    'payload',
    'get',
    result.payloadId,
    '--hashes',
    '--no-seed',
    '--tracker',
    api.tracker,
  ])
  const expected = chunksOf(text).map(sha256)
  expect(expected).toHaveLength(5)
  const event = got.events.find(({ event }) => event === 'payload')
  expect(event).toMatchObject({
    chunkSize: 4,
    hash: 'sha256',
    chunks: expected,
    rootHash: sha256(expected.join('')),
  })
  const { body } = await api.ask(`/payloads/${result.payloadId}`)
  expect(body).toMatchObject({ chunks: expected, rootHash: sha256(expected.join('')) })
})

test('W16 the order of a thousand chunks is kept, also over a restart', async () => {
  const store = `sqlite:${join(temporaryFolder('store'), 'tracker.sqlite')}`
  const text = Array.from({ length: 1000 }, (_, i) => String(i).padStart(4, '0')).join('')
  const before = await startOwnTracker('--store', store)
  const { body } = await new Api(before.http).put(text)
  await before.shoal.kill()
  const { body: found } = await new Api((await startOwnTracker('--store', store)).http).ask(
    `/payloads/${body.payloadId}`,
  )
  expect(found.chunks).toEqual(chunksOf(text).map(sha256))
  expect(found.payload).toBe(text)
})

test('W17 known, unknown and malformed ids are told apart', async () => {
  const api = await startApi()
  const { body } = await api.put('known')
  expect(await api.ask(`/payloads/${body.payloadId}`)).toMatchObject({
    status: 200,
    body: { valid: true, payload: 'known', payloadId: body.payloadId },
  })
  const unknown = 'ab'.repeat(32)
  expect(await api.ask(`/payloads/${unknown}`)).toMatchObject({
    status: 404,
    body: { valid: false, payloadId: unknown },
  })
  expect((await api.ask('/payloads/nonsense')).status).toBe(400)
  const run = (id: string) => runShoal(['payload', 'get', id, '--no-seed', '--tracker', api.tracker])
  expect(await run(unknown)).toMatchObject({ code: 1, result: { code: 'payload/unknown' } })
  expect(await run('nonsense')).toMatchObject({ code: 2, result: { code: 'payload/bad-id' } })
  const hashesOnly = await api.ask('/payloads', { payload: 'hashes only', store: false })
  expect((await api.ask(`/payloads/${hashesOnly.body.payloadId}`)).body).toMatchObject({
    payload: null,
    stored: false,
    chunks: chunksOf('hashes only').map(sha256),
  })
})

test('W18 a peer says of each claim whether it is true; of two chunks that changed places exactly those are false', async () => {
  const { address, id } = await startPut('asdaqwerzxcvtail')
  const inOrder = await ask(address, id, ['0:asda', '1:qwer', '2:zxcv', '3:tail'])
  expect(inOrder).toMatchObject({
    code: 0,
    result: { chunkAvailable: true, results: [true, true, true, true] },
  })
  const swapped = await ask(address, id, ['0:asda', '1:zxcv', '2:qwer', '3:tail'])
  expect(swapped.result.results).toEqual([true, false, false, true])
  const human = await runShoal(['ask', address, '--payload', id, '--claim', '0:asda', '--claim', '1:asda'], {
    json: false,
  })
  expect(human.stdout).toBe('pos 0 true\npos 1 false\n')
})

test('W18 a running peer asks another by console word', async () => {
  const { address, id } = await startPut('asdaqwer')
  const { shoal } = await startPut('another string')
  shoal.type(`ask ${address} ${id} 0:asda 1:asda`)
  expect(await shoal.event('asked')).toMatchObject({ results: [true, false] })
})

test('W19 asked about a payload it does not hold, a peer says so', async () => {
  const { address } = await startPut('asdaqwer')
  const asked = await ask(address, 'ab'.repeat(32), ['0:asda'])
  expect(asked.code).toBe(1)
  expect(asked.events[0]).toMatchObject({ event: 'asked', chunkAvailable: false })
  expect(asked.result).toMatchObject({ event: 'error', message: 'peer does not hold this payload' })
})

test('W20 odd claims get the right answer, and the peer lives', async () => {
  const { address, id, port } = await startPut('asdaqwerzxcv')
  expect((await ask(address, id, ['2:zxcv', '0:asda', '1:qwer'])).result.results).toEqual([true, true, true])
  expect((await ask(address, id, ['-1:asda', '1000000000:asda', '0:asda'])).result.results).toEqual([
    false,
    false,
    true,
  ])
  expect((await ask(address, id, ['0:a', '1:q', '2:z', '3:x'])).result).toMatchObject({
    event: 'error',
    code: 'payload/claims-refused',
  })
  expect((await ask(address, id, ['zero:asda'])).code).toBe(2)
  const claims = [{ chunk: 'asda', position: 0 }]
  const payload = Buffer.from(id, 'hex')
  const raw: [Buffer, unknown][] = [
    [bencode({ claims }), 'corrupted'],
    [bencode({ claims: [{ chunk: 'asda', position: 'zero' }], payload }), 'corrupted'],
    [bencode({ claims: Array.from({ length: 5000 }, () => claims[0]!), payload }), 'too-many-claims'],
    [Buffer.from('what?'), 'corrupted'],
    [Buffer.alloc(0), 'corrupted'],
  ]
  for (const [body, reason] of raw) {
    const answer: RawAnswer = await askRaw({ host: '127.0.0.1', port }, 'shoal_claims', body)
    expect(answer.get('error')?.toString(), body.toString().slice(0, 40)).toBe(reason)
  }
  const good = await askRaw({ host: '127.0.0.1', port }, 'shoal_claims', bencode({ claims, payload }))
  expect([good.get('chunk_available'), good.get('results')]).toEqual([1, [1]])
})

test('W36 every reply about a payload has its id', async () => {
  const api = await startApi()
  const first = await api.put('one string')
  const again = await api.put('one string')
  expect([first.status, again.status]).toEqual([201, 200])
  const found = await api.ask(`/payloads/${first.body.payloadId}`)
  const byInfoHash = await api.ask(`/payloads/${first.body.infoHash}`)
  for (const { body } of [again, found, byInfoHash]) expect(body.payloadId).toBe(first.body.payloadId)
  expect(first.body.payloadId).toMatch(/^[0-9a-f]{64}$/)
})

test('W43 who has asked for a payload holds it, and answers when the first holder is gone', async () => {
  const a = await startPut('asdaqwerzxcv')
  const dir = temporaryFolder('b')
  const b = Shoal.start(['payload', 'get', a.id, '--dir', dir, '--no-tracker', '--peer', a.address, ...LOCAL])
  expect((await b.event('holding')).payloadId).toBe(a.id)
  await a.shoal.kill()
  const { host, port } = await b.peerEndpoint()
  expect((await ask(`${host}:${port}`, a.id, ['1:qwer'])).result).toMatchObject({ results: [true] })
  expect((await b.event('payload')).payload).toBe('asdaqwerzxcv')
  const name = `payload-${sha256('asdaqwerzxcv').slice(0, 16)}.txt`
  expect(readFileSync(join(dir, name), 'utf8')).toBe('asdaqwerzxcv')
})

test('W43 the same by way of a tracker, which has the string itself', async () => {
  const api = await startApi()
  const a = await startPut('asdaqwerzxcv', ['--tracker', api.tracker])
  await a.shoal.kill()
  const args = ['--dir', temporaryFolder('b'), '--tracker', api.tracker, ...LOCAL]
  const b = Shoal.start(['payload', 'get', a.id, ...args])
  await b.event('holding')
  const { host, port } = await b.peerEndpoint()
  expect((await ask(`${host}:${port}`, a.id, ['2:zxcv'])).result).toMatchObject({ results: [true] })
})

test('W44 what needs a tracker says so when none is known, and does without when told to', async () => {
  for (const args of [
    ['put', 'x'],
    ['get', 'ab'.repeat(32)],
  ]) {
    const refused = await runShoal(['payload', ...args])
    expect(refused.code).toBe(2)
    expect(refused.result.message).toBe('No tracker is registered yet')
  }
  const direct = await mustRun(['payload', 'put', 'x', '--no-tracker', '--exit'])
  expect(direct.result.payloadId).toMatch(/^[0-9a-f]{64}$/)
})
