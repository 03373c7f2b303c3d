import http from 'node:http'
import net from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { fromLatin1 } from '../base/text.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import type { AnnounceReply } from '../wire/tracker-announce.ts'
import { decodeAnnounceReply, decodeScrapeReply } from '../wire/tracker-http-reply.ts'
import { TrackerServer, type TrackerServerOptions } from './tracker-server.ts'

const servers: TrackerServer[] = []

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

async function listen(options: Partial<TrackerServerOptions> = {}): Promise<TrackerServer> {
  const server = await TrackerServer.listen({ port: 0, ...options })
  servers.push(server)
  return server
}

interface Asked {
  status: number
  body: Uint8Array
}

/** One GET without any help with the URL; `from` is the source address. */
function get(server: TrackerServer, path: string, options: http.RequestOptions = {}): Promise<Asked> {
  const { promise, resolve, reject } = Promise.withResolvers<Asked>()
  http
    .get({ host: '127.0.0.1', port: server.endpoint.port, path, agent: false, ...options }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve({ status: response.statusCode!, body: Buffer.concat(chunks) }))
    })
    .on('error', reject)
  return promise
}

function announcePath(name: string, port: number, more = ''): string {
  return `/announce?info_hash=${'%FF'.repeat(20)}&peer_id=${name.padEnd(20, '.')}&port=${port}&left=1${more}`
}

async function announce(
  server: TrackerServer,
  name: string,
  port: number,
  more = '',
  options: http.RequestOptions = {},
): Promise<AnnounceReply> {
  const { status, body } = await get(server, announcePath(name, port, more), options)
  expect(status).toBe(200)
  const decoded = decodeAnnounceReply(body)
  if (!decoded.ok) throw new Error(decoded.error.message)
  return decoded.value
}

describe('announces', () => {
  test('list the others, in both forms, and our own address (M25, M26, BEP 24)', async () => {
    const server = await listen()
    await announce(server, 'a', 1000, '', { localAddress: '127.0.0.5' })
    await announce(server, 'b', 1001, '', { host: '::1' })
    const compact = await announce(server, 'c', 1002, '&compact=1', { localAddress: '127.0.0.6' })
    const dictionaries = await announce(server, 'c', 1002, '&compact=0', { localAddress: '127.0.0.6' })
    expect(compact.externalIp).toBe('127.0.0.6')
    expect(compact.peers.map(formatEndpoint)).toEqual(['127.0.0.5:1000', '[::1]:1001'])
    expect(dictionaries.peers.map(formatEndpoint)).toEqual(['127.0.0.5:1000', '[::1]:1001'])
    expect(dictionaries.peers[0]!.peerId).toEqual(fromLatin1('a'.padEnd(20, '.')))
    expect((await announce(server, 'b', 1001, '', { host: '::1' })).externalIp).toBe('::1')
  })

  test('take the address of the connection, whatever is claimed (S23, S24)', async () => {
    const server = await listen()
    await announce(server, 'a', 1000, '&ip=8.8.8.8&ipv4=9.9.9.9', {
      headers: { 'X-Forwarded-For': '7.7.7.7', Forwarded: 'for=6.6.6.6' },
    })
    expect((await announce(server, 'b', 1001)).peers.map(formatEndpoint)).toEqual(['127.0.0.1:1000'])
  })

  test('take the word of a proxy that was named, about whom it adds last (S24)', async () => {
    const server = await listen({ trustedProxies: ['127.0.0.9', '127.0.0.8'] })
    const headers = { 'X-Forwarded-For': '7.7.7.7, 192.0.2.1, 127.0.0.8' }
    await announce(server, 'a', 1000, '&ip=8.8.8.8', { localAddress: '127.0.0.9', headers })
    await announce(server, 'b', 1001, '&ip=192.0.2.2', { localAddress: '127.0.0.8' })
    // nobody but those two is believed
    const reply = await announce(server, 'c', 1002, '&ip=8.8.8.8', { headers })
    expect(reply.peers.map(formatEndpoint).sort()).toEqual(['192.0.2.1:1000', '192.0.2.2:1001'])
    expect(reply.externalIp).toBe('127.0.0.1')
  })

  test('of a source that asks too often are refused with a time to wait (S25)', async () => {
    const server = await listen({ sourceLimit: 3 })
    for (let i = 0; i < 3; i++) await announce(server, 'a', 1000)
    const { status, body } = await get(server, announcePath('a', 1000))
    expect(status).toBe(200)
    expect(decodeAnnounceReply(body)).toMatchObject({
      ok: false,
      error: { code: 'tracker/failure', retryInSeconds: 60 },
    })
    await announce(server, 'b', 1001, '', { localAddress: '127.0.0.5' })
    expect(server.stats().announces).toBe(4)
  })

  test('to swarms of their own are served while another address fills the tracker with such (S25)', async () => {
    const bounds = { swarmsMax: 100, peersPerFamilyMax: 1000 }
    const server = await listen({ bounds })
    const agent = new http.Agent({ keepAlive: true, maxSockets: 4 })
    const swarm = (n: number) => `%${n.toString(16).padStart(2, '0')}`.repeat(20)
    const ask = async (n: number, localAddress: string) => {
      const path = announcePath('a', 1000).replace('%FF'.repeat(20), swarm(n))
      const { body } = await get(server, path, { localAddress, agent })
      return decodeAnnounceReply(body).ok
    }
    const old = '127.0.0.3'
    await announce(server, 'old', 1002, '', { localAddress: old })
    for (let n = 0; n < 99; n++) expect(await ask(n, '127.0.0.1')).toBe(true)
    expect(await ask(150, '127.0.0.1')).toBe(false)
    for (let n = 200; n < 210; n++) expect(await ask(n, '127.0.0.2')).toBe(true)
    expect(await ask(151, '127.0.0.1')).toBe(false)
    expect(server.stats()).toMatchObject({ swarms: 100, peers: 100, displaced: 10, refusals: 2 })
    const seen = await announce(server, 'new', 1003, '', { localAddress: '127.0.0.4' })
    expect(seen.peers.map(formatEndpoint)).toEqual([`${old}:1002`])
    agent.destroy()
  })

  test('of this machine are not limited by default (a proxy may stand there)', async () => {
    const server = await listen()
    const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
    await Promise.all(Array.from({ length: 1200 }, () => announce(server, 'a', 1000, '', { agent })))
    agent.destroy()
    expect(server.stats().announces).toBe(1200)
  })

  test('a hundred of them over one connection (L12)', async () => {
    const server = await listen()
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    let connections = 0
    const create = agent.createConnection.bind(agent)
    agent.createConnection = (...parameters) => {
      connections++
      return create(...parameters)
    }
    for (let i = 0; i < 100; i++) await announce(server, 'a', 1000, '', { agent })
    agent.destroy()
    expect(connections).toBe(1)
    expect(server.stats()).toMatchObject({ announces: 100, peers: 1 })
  })

  test.each([
    ['/announce', 'info_hash'],
    [announcePath('a', 0), 'port'],
    ['/announce?info_hash=%', 'escape'],
    ['/scrape', 'info_hash'],
    ['/scrape?info_hash=%ff', 'info_hash'],
  ])('%s is answered with a reason, not with an HTTP error', async (path, reason) => {
    const { status, body } = await get(await listen(), path)
    expect(status).toBe(200)
    expect(decodeAnnounceReply(body)).toMatchObject({
      ok: false,
      error: { code: 'tracker/failure' },
    })
    expect(Buffer.from(body).toString()).toContain(reason)
  })

  test('with another method than GET are refused', async () => {
    const { body } = await get(await listen(), announcePath('a', 1), { method: 'POST' })
    expect(Buffer.from(body).toString()).toContain('GET')
  })
})

describe('the other pages', () => {
  test('a scrape counts several swarms', async () => {
    const server = await listen()
    await announce(server, 'a', 1000)
    await announce(server, 'b', 1001, '&left=0')
    const unknown = '%01'.repeat(20)
    const { body } = await get(server, `/scrape?info_hash=${unknown}&info_hash=${'%FF'.repeat(20)}`)
    const decoded = decodeScrapeReply(body)
    expect(decoded.ok && [...decoded.value.values()]).toEqual([
      { seeders: 0, leechers: 0, completed: 0 },
      { seeders: 0, leechers: 2, completed: 0 },
    ])
  })

  test('/healthz, and none where there is none', async () => {
    const server = await listen()
    expect(await get(server, '/healthz')).toEqual({ status: 200, body: Buffer.from('ok\n') })
    expect((await get(server, '/announce/x')).status).toBe(404)
  })
})

describe('bad company', () => {
  /** What the server says to raw bytes before it hangs up. */
  function raw(server: TrackerServer, text: string): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>()
    const socket = net.connect(server.endpoint.port, '127.0.0.1', () => socket.end(text, 'latin1'))
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
    return promise
  }

  test.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['a URL too long', `GET /announce?x=${'x'.repeat(20_000)} HTTP/1.1\r\nHost: t\r\n\r\n`],
    ['headers too long', `GET / HTTP/1.1\r\nHost: t\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('%s gets a reason and is let go', async (_what, text) => {
    expect(await raw(await listen(), text)).toContain('failure reason')
  })

  test('requests in one packet, with a body and without, are answered in turn', async () => {
    const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: t\r\n${more}\r\n`
    const asked =
      get(announcePath('a', 1)) +
      get('/healthz', 'Content-Length: 5\r\n') +
      'GET /' +
      'POST /announce HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n' +
      'POST /announce HTTP/1.1\r\nHost: t\r\n\r\n' +
      get(announcePath('b', 2), 'Connection: close\r\n')
    const answers = (await raw(await listen(), asked)).split('HTTP/1.1 200 OK\r\n').slice(1)
    const expected = ['5:peers0:', 'ok', 'announce with GET', 'announce with GET', '5:peers6:']
    expect(answers).toEqual(expected.map((part) => expect.stringContaining(part)))
  })

  test('noise leaves the next announce answered (L13)', async () => {
    const server = await listen()
    const noise = [
      '\0\0\0',
      'GET \xff\xfe HTTP/1.1\r\n\r\n',
      'POST /announce HTTP/1.1\r\nContent-Length: 5\r\n\r\nab',
      '',
    ]
    await Promise.all(noise.map((text) => raw(server, text)))
    expect((await announce(server, 'a', 1)).peers).toEqual([])
  })

  test('a client that stalls in the middle of a request holds up nobody (L3)', async () => {
    const server = await listen()
    const socket = net.connect(server.endpoint.port, '127.0.0.1')
    await new Promise((resolve) => socket.write('GET /announce?info_ha', resolve))
    await Promise.all(Array.from({ length: 20 }, (_, i) => announce(server, 'a', 1 + i)))
    socket.destroy()
  })
})

describe('listening', () => {
  test('a port in use is said so', async () => {
    const server = await listen()
    await expect(TrackerServer.listen({ port: server.endpoint.port })).rejects.toMatchObject({
      code: 'listen/port-in-use',
      hint: expect.stringContaining('--port'),
    })
  })

  test('closing lets go of clients that would stay, and of the port', async () => {
    const server = await listen()
    const idle = net.connect(server.endpoint.port, '127.0.0.1')
    await new Promise((resolve) => idle.once('connect', resolve))
    const agent = new http.Agent({ keepAlive: true })
    await announce(server, 'a', 1, '', { agent })
    const closed = new Promise((resolve) => idle.once('close', resolve))
    idle.on('error', () => {})
    await server.close()
    await closed
    agent.destroy()
    await listen({ port: server.endpoint.port })
  })
})
