/** Who may use a tracker: modes, invites, passkeys, and secrets that stay out of logs. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { announceHttp, announceUdp, httpGet } from '../kit/raw-announce.ts'
import { ALONE, mustRun, runShoal, Shoal } from '../kit/shoal.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { until } from '../kit/waiting.ts'

const ANNOUNCE = { infoHash: Buffer.alloc(20, 'a'), peerId: Buffer.alloc(20, 'b'), port: 6881, left: 0 }

/** A tracker whose operator's token stands in a file. */
async function startClosed(mode: string, ...args: string[]) {
  const folder = temporaryFolder('tracker')
  const tokenFile = join(folder, 'operator.token')
  const tracker = await startOwnTracker('--mode', mode, '--token-file', tokenFile, ...args)
  const url = `http://127.0.0.1:${tracker.http.port}`
  const operator = ['--tracker', url, '--token-file', tokenFile]
  const invite = async (...more: string[]): Promise<{ link: string; id: string }> =>
    (await mustRun(['invite', ...operator, ...more])).result as unknown as { link: string; id: string }
  const member = async (): Promise<string> =>
    (await mustRun(['join', (await invite()).link])).result.announce as string
  return {
    ...tracker,
    url,
    tokenFile,
    operator,
    invite,
    member,
    token: () => readFileSync(tokenFile, 'utf8').trim(),
  }
}

function join43(link: string): string {
  return link.split('#')[1]!
}

describe('announces', () => {
  test('in the mode invite only members announce, at the address with their passkey', async () => {
    const tracker = await startClosed('invite')
    const outside = await announceHttp(tracker.http, ANNOUNCE)
    expect(outside.failure).toMatch(/for members/)
    const announce = new URL(await tracker.member())
    expect(announce.pathname).toMatch(/^\/[\w-]{43}\/announce$/)
    const inside = await announceHttp(tracker.http, { ...ANNOUNCE, path: announce.pathname })
    expect(inside.failure).toBeUndefined()
    const wrong = await announceHttp(tracker.http, { ...ANNOUNCE, path: `/${'x'.repeat(43)}/announce` })
    expect(wrong.failure).toMatch(/not valid/)
    expect((await httpGet(tracker.http, `/scrape?info_hash=${'a'.repeat(20)}`)).toString()).toMatch(
      /failure reason/,
    )
    await expect(announceUdp(tracker.udp, ANNOUNCE)).rejects.toThrow(/members/)
  })

  test('two members find each other with nothing but the address', async () => {
    const tracker = await startClosed('members')
    const { file, source, target } = stage()
    const seed = startSeed(file, source, { tracker: await tracker.member() })
    await seed.event('announced')
    const get = startGet(file, target, { tracker: await tracker.member() })
    await get.event('complete')
    const third = startGet(file, target + 2, { tracker: `${tracker.url}/announce` })
    expect((await third.event('announce-failed')).message).toMatch(/for members/)
  })

  test('a private library that a member publishes on an open tracker is for members', async () => {
    const tracker = await startClosed('open')
    const { source, target, torrent } = stage()
    const announce = await tracker.member()
    const share = Shoal.start([
      ...['share', join(source, torrent.name), '--private', '--tracker', announce],
      ...['--host', '127.0.0.1', '--port', '0', ...ALONE],
    ])
    await share.event('listed')
    const { file, link } = await share.event('share-link')
    const passkey = new URL(announce).pathname.split('/')[1]!
    expect([link, readFileSync(file, 'latin1')].some((text) => text.includes(passkey))).toBe(false)
    const outside = startGet(file, target, {
      tracker: `${tracker.url}/announce`,
      args: ['--peer', '127.0.0.1:1'],
    })
    expect((await outside.event('announce-failed')).message).toMatch(/for members/)
    const inside = startGet(file, target + 2, { tracker: await tracker.member() })
    await inside.event('announced')
    expect((await announceHttp(tracker.http, ANNOUNCE)).failure).toBeUndefined()
    const { infoHash } = await share.event('created')
    const swarm = { info_hash: infoHash }
    const self = { ...swarm, peer_id: 'me', port: 4000 }
    const ask = (path: string, body?: object, token?: string) =>
      fetch(`${tracker.url}/api/v1/${path}`, {
        ...(body && { method: 'POST', body: JSON.stringify(body) }),
        headers: {
          ...(body && { 'content-type': 'application/json' }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
      }).then(({ status }) => status)
    const asked: readonly (readonly [path: string, body?: object])[] = [
      [`peers?${new URLSearchParams(swarm)}`],
      [`locations?${new URLSearchParams(swarm)}`],
      ['register', { ...self, hostaddr: '127.0.0.1' }],
      ['have', { ...self, have: [[0, 0]] }],
      ['report', { ...swarm, ip: '127.0.0.1', port: 4001 }],
      ['deregister', { ...self, hostaddr: '127.0.0.1' }],
    ]
    for (const [path, body] of asked) {
      expect(await ask(path, body), path).toBe(401)
      expect(await ask(path, body, passkey), path).toBeLessThan(300)
    }
    expect(await ask('register', { ...self, hostaddr: '127.0.0.1', info_hash: '07'.repeat(20) })).toBe(201)
  })

  test('members see who is there, and tell a closed tracker what they have', async () => {
    const tracker = await startClosed('members')
    const { file, source, target } = stage()
    const announce = await tracker.member()
    const seed = startSeed(file, source, { tracker: announce })
    await seed.event('announced')
    const get = startGet(file, target, { tracker: await tracker.member() })
    await get.event('registered')
    for (const command of ['peers', 'locations'])
      expect((await mustRun([command, file, '--tracker', announce])).result, command).toMatchObject({
        total: 2,
      })
    expect(await runShoal(['peers', file, '--tracker', tracker.url])).toMatchObject({
      code: 1,
      result: { code: 'access/members-only' },
    })
  })

  test('open is open', async () => {
    const { http } = await startOwnTracker()
    expect((await announceHttp(http, ANNOUNCE)).failure).toBeUndefined()
  })
})

describe('S43 invites', () => {
  test('an invite makes one member, expires, and can be revoked', async () => {
    const tracker = await startClosed('invite')
    const once = await tracker.invite()
    await mustRun(['join', once.link])
    expect(await runShoal(['join', once.link])).toMatchObject({
      code: 1,
      result: { code: 'access/bad-invite' },
    })
    const short = await tracker.invite('--expires', '1s')
    await until('the end of the invite', async () => {
      const { events } = await mustRun(['invite', '--list', ...tracker.operator])
      return !events.some(({ id }) => id === short.id)
    })
    expect((await runShoal(['join', short.link])).code).toBe(1)
    const gone = await tracker.invite()
    await mustRun(['invite', '--revoke', gone.id, ...tracker.operator])
    expect((await runShoal(['join', gone.link])).code).toBe(1)
  })

  test('members invite in the mode invite, and not in the mode members', async () => {
    for (const [mode, code] of [
      ['invite', 0],
      ['members', 1],
    ] as const) {
      const tracker = await startClosed(mode)
      const invited = await runShoal(['invite', '--tracker', await tracker.member()])
      expect(invited.code, mode).toBe(code)
    }
  })

  test('nobody guesses: after some wrong invites the right one is not looked at either', async () => {
    const tracker = await startClosed('invite')
    const { link } = await tracker.invite()
    const attempt = (invite: string) =>
      fetch(`${tracker.url}/api/v1/join`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ invite }),
      }).then(({ status }) => status)
    const statuses: number[] = []
    for (let i = 0; i < 15; i++) statuses.push(await attempt(`wrong-${i}`))
    expect(statuses.slice(0, 10)).toEqual(Array(10).fill(403))
    expect(statuses.slice(11)).toEqual(Array(4).fill(429))
    expect(await attempt(join43(link))).toBe(429)
  })

  test('the secret of a link is no part of what is sent, and the store has no secret', async () => {
    const folder = temporaryFolder('store')
    const file = join(folder, 'tracker.sqlite')
    const tracker = await startClosed('invite', '--store', `sqlite:${file}`)
    const { link } = await tracker.invite('--uses', '2')
    expect(new URL(link).hash.length).toBeGreaterThan(40)
    expect(new URL(link).search).toBe('')
    const passkey = new URL((await mustRun(['join', link])).result.announce as string).pathname.split('/')[1]!
    await tracker.shoal.end()
    const stored = readFileSync(file, 'latin1')
    for (const secret of [passkey, join43(link), tracker.token()]) expect(stored.includes(secret)).toBe(false)
    const again = await startClosed('invite', '--store', `sqlite:${file}`)
    const inside = await announceHttp(again.http, { ...ANNOUNCE, path: `/${passkey}/announce` })
    expect(inside.failure).toBeUndefined()
  })
})

describe('the API of a closed tracker', () => {
  test('everything but joining wants a credential; a wrong one is refused', async () => {
    const tracker = await startClosed('members')
    const ask = (path: string, token?: string) =>
      fetch(tracker.url + path, token ? { headers: { authorization: `Bearer ${token}` } } : {})
    for (const path of ['/', '/metrics', '/stats.json', '/api/v1/stats', '/api/v1/payloads/x', '/nowhere'])
      expect((await ask(path)).status, path).toBe(401)
    expect((await ask('/healthz')).status).toBe(200)
    expect((await ask('/api/v1/stats', tracker.token())).status).toBe(200)
    expect((await ask('/api/v1/stats', 'x'.repeat(43))).status).toBe(401)
    const passkey = new URL(await tracker.member()).pathname.split('/')[1]!
    expect((await ask('/api/v1/stats', passkey)).status).toBe(200)
    await tracker.member()
    const members = async (token: string) =>
      ((await (await ask('/api/v1/members', token)).json()) as { members: { id: string }[] }).members
    expect(await members(tracker.token())).toHaveLength(2)
    const [self, ...others] = await members(passkey)
    expect(others).toEqual([])
    const expel = (token: string) =>
      fetch(`${tracker.url}/api/v1/members/${self?.id}`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: '{}',
      })
    expect((await expel(passkey)).status).toBe(403)
    expect((await expel(tracker.token())).status).toBe(200)
    expect((await ask('/api/v1/stats', passkey)).status).toBe(401)
  })

  test('the token of the operator is kept for its owner alone, or shown once', async () => {
    const tracker = await startClosed('invite')
    expect(statSync(tracker.tokenFile).mode & 0o777).toBe(0o600)
    expect(tracker.shoal.all('admin-token')).toEqual([])
    const shown = await startOwnTracker('--mode', 'invite', '--store', 'memory')
    expect((await shown.shoal.event('admin-token')).token).toMatch(/^[\w-]{43}$/)
    expect((await startOwnTracker()).shoal.all('admin-token')).toEqual([])
  })
})

test('S26 no passkey, token or invite stands in a log or an error', async () => {
  const logs = temporaryFolder('logs')
  const tracker = await startClosed('invite', '--log-file', join(logs, 'tracker.log'))
  const { link } = await tracker.invite('--uses', '3')
  const announce = (await mustRun(['join', link, '--log-file', join(logs, 'join.log')])).result
    .announce as string
  const passkey = new URL(announce).pathname.split('/')[1]!
  const { file, source } = stage()
  const seed = startSeed(file, source, { tracker: announce, args: ['--log-file', join(logs, 'seed.log')] })
  await seed.event('announced')
  await tracker.shoal.end()
  const late = Shoal.start([
    ...['payload', 'put', 'x', '--exit', '--tracker', announce],
    ...['--log-file', join(logs, 'late.log')],
  ])
  await late.exit
  await seed.end()
  const said = [
    ...['tracker', 'join', 'seed', 'late'].map((name) => readFileSync(join(logs, `${name}.log`), 'utf8')),
    seed.stdout,
    seed.stderr,
    late.stdout,
    late.stderr,
  ]
  for (const secret of [passkey, join43(link), tracker.token()])
    for (const text of said) expect(text.includes(secret)).toBe(false)
  expect(said[0]).toMatch(/"path":"\/\*\*\*\/announce/)
  expect(seed.stdout).toMatch(/\/\*\*\*\/announce/)
})

test('S26 create warns of a passkey in the .torrent, keeps it there as asked, and tells no magnet with it', async () => {
  const { source } = stage()
  const output = join(temporaryFolder('created'), 'x.torrent')
  const passkey = 'k'.repeat(43)
  const create = (url: string) => mustRun(['create', source, '-o', output, '--tracker', url])
  const secret = await create(`http://tracker.example/${passkey}/announce`)
  expect(secret.events.find(({ event }) => event === 'warning')).toMatchObject({
    code: 'create/passkey-in-torrent',
    hint: expect.any(String),
  })
  expect(readFileSync(output, 'latin1')).toContain(`http://tracker.example/${passkey}/announce`)
  expect(secret.stdout + secret.stderr).not.toContain(passkey)
  const plain = await create('http://tracker.example/announce')
  expect(plain.events.filter(({ event }) => event === 'warning')).toEqual([])
})
