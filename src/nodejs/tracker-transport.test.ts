import dgram from 'node:dgram'
import dns from 'node:dns'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Result } from '../base/result.ts'
import type { AnnounceReply, AnnounceRequest, TrackerFault } from '../wire/tracker-announce.ts'
import {
  decodeUdpRequest,
  encodeUdpAnswer,
  encodeUdpConnected,
  encodeUdpError,
  type UdpRequest,
} from '../wire/tracker-udp.ts'
import { NodeTrackerTransport, type NodeTrackerTransportOptions } from './tracker-transport.ts'

type Answer = Result<AnnounceReply, TrackerFault>

const REQUEST: AnnounceRequest = {
  infoHash: new Uint8Array(20).fill(0xff),
  peerId: new Uint8Array(20).fill(0x25),
  port: 6881,
  uploaded: 0,
  downloaded: 0,
  left: 1,
  key: 1,
  event: 'started',
}
const REPLY = 'd8:intervali60e5:peers6:\x7f\0\0\x01\0\x07e'
const PEERS = [{ host: '127.0.0.1', port: 7 }]

/** For localhost and 127.0.0.1, made for this test alone. */
const SELF_SIGNED = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgcHPAEoyrfhobiSFx
PyhnRwQWRkXWZD3RVMF4yZ9js2yhRANCAARWNaI10e/qVDNxLRTszB08nrrdmlWF
NzC2C7bOQOl9JKUn81FtvZpj4osxgHFULIlVQ5nVYzjVqge0X8n/QN5A
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUK4CO+iBs+7n+EnZjwEpH7BbgYYMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTA3NTk1N1oYDzIxMjYxMDI4
MDc1OTU3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARWNaI10e/qVDNxLRTszB08nrrdmlWFNzC2C7bOQOl9JKUn81FtvZpj
4osxgHFULIlVQ5nVYzjVqge0X8n/QN5Ao28wbTAdBgNVHQ4EFgQUbg3jADw5LVQF
Y3cD5o5+aBN9ekwwHwYDVR0jBBgwFoAUbg3jADw5LVQFY3cD5o5+aBN9ekwwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgRO4+DzUDgNVN1P477ixCoUPVUsMKGVAxe9MkDH1FiKACIHl1
Pzb4HQ3WtKMq84Dh1I/8HjtalZ6taDCFCVKO1hyx
-----END CERTIFICATE-----`,
}

const cleanUps: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp()
})

function transport(options: NodeTrackerTransportOptions = {}): NodeTrackerTransport {
  const made = new NodeTrackerTransport(options)
  cleanUps.push(() => made.close())
  return made
}

function ask(trackers: NodeTrackerTransport, url: string, request = REQUEST): Promise<Answer> {
  return new Promise((resolve) => trackers.announce(url, request, resolve))
}

async function httpTracker(listener: http.RequestListener, host = '127.0.0.1'): Promise<string> {
  const server = http.createServer(listener)
  cleanUps.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Nobody listens there. */
async function closedPort(): Promise<number> {
  const server = http.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('HTTP', () => {
  test('an announce is asked and its answer read', async () => {
    const seen: (string | undefined)[] = []
    const url = await httpTracker((request, response) => {
      seen.push(request.url, request.headers['user-agent'])
      response.end(REPLY, 'latin1')
    })
    const answer = await ask(transport({ userAgent: 'Shoal/1' }), `${url}/announce?passkey=a%2Fb`)
    expect(answer).toMatchObject({
      ok: true,
      value: { intervalSeconds: 60, peers: PEERS, from: '127.0.0.1' },
    })
    expect(seen[0]).toMatch(/^\/announce\?passkey=a%2Fb&info_hash=(%FF){20}&peer_id=(%25){20}&port=6881/)
    expect(seen[1]).toBe('Shoal/1')
  })

  test.each([
    [
      'over both families where the name has public addresses of both (BEP 7)',
      '203.0.113.1',
      ['::1', '127.0.0.1'],
    ],
    ['once where one of them is this machine', '127.0.0.1', ['127.0.0.1']],
  ])('%s', async (_what, public4, expected) => {
    const froms: string[] = []
    const listener: http.RequestListener = (request, response) => {
      froms.push(request.socket.remoteAddress!.replace('::ffff:', ''))
      response.end(REPLY, 'latin1')
    }
    const port = new URL((await httpTracker(listener, '::')).replace('[::]', 'localhost')).port
    const lookup: NonNullable<NodeTrackerTransportOptions['lookup']> = (_hostname, _options, done) =>
      setImmediate(() =>
        done(null, [
          { address: public4, family: 4 },
          { address: '2001:db8::1', family: 6 },
        ]),
      )
    // Both names of this machine, in place of the public addresses.
    const resolve = (_hostname: string, options: dns.LookupOptions, done: (...result: unknown[]) => void) =>
      setImmediate(() => {
        const family = options.family === 6 ? 6 : 4
        done(null, [{ address: family === 6 ? '::1' : '127.0.0.1', family }])
      })
    const spy = vi.spyOn(dns, 'lookup').mockImplementation(resolve as unknown as typeof dns.lookup)
    cleanUps.push(() => spy.mockRestore())
    const answer = await ask(transport({ lookup }), `http://tracker.test:${port}/announce`)
    expect(answer).toMatchObject({ ok: true, value: { peers: PEERS } })
    expect(froms.sort()).toEqual([...expected].sort())
  })

  test('over IPv6, and from the address it was told to use', async () => {
    const froms: (string | undefined)[] = []
    const listener: http.RequestListener = (request, response) => {
      froms.push(request.socket.remoteAddress)
      response.end(REPLY, 'latin1')
    }
    const v6 = await httpTracker(listener, '::1')
    const v4 = await httpTracker(listener)
    expect(await ask(transport(), `${v6}/announce`)).toMatchObject({ ok: true })
    expect(await ask(transport({ localAddress: '127.0.0.9' }), `${v4}/announce`)).toMatchObject({ ok: true })
    expect(await ask(transport({ localAddress: '0.0.0.0' }), `${v4}/announce`)).toMatchObject({ ok: true })
    expect(froms).toEqual(['::1', '127.0.0.9', '127.0.0.1'])
  })

  test('connections are kept and used again', async () => {
    const ports = new Set<number | undefined>()
    const url = await httpTracker((request, response) => {
      ports.add(request.socket.remotePort)
      response.end(REPLY, 'latin1')
    })
    const trackers = transport()
    for (let i = 0; i < 5; i++) await ask(trackers, `${url}/announce`)
    expect(ports.size).toBe(1)
  })

  test('a kept connection that the tracker closed is no failure', async () => {
    const trackers = transport()
    let count = 0
    const url = await httpTracker((request, response) => {
      // The second request on a connection finds it closing.
      if (++count === 2) request.socket.resetAndDestroy()
      else response.end(REPLY, 'latin1')
    })
    expect(await ask(trackers, `${url}/announce`)).toMatchObject({ ok: true })
    expect(await ask(trackers, `${url}/announce`)).toMatchObject({ ok: true })
    expect(count).toBe(3)
  })

  test.each<[string, http.RequestListener, string]>([
    ['a refusal', (_, response) => response.end('d14:failure reason2:noe'), 'tracker/failure'],
    [
      'a refusal with an error status',
      (_, response) => response.writeHead(403).end('d14:failure reason2:noe'),
      'tracker/failure',
    ],
    ['an error status', (_, response) => response.writeHead(500).end('oops'), 'tracker/failure'],
    ['a web page', (_, response) => response.end('<html>'), 'tracker/bad-reply'],
    [
      'a reply without end',
      (_, response) => void response.write(Buffer.alloc(2_000_000)),
      'tracker/bad-reply',
    ],
    ['a connection that breaks', (request) => request.socket.destroy(), 'tracker/unreachable'],
    [
      'a reply that breaks off',
      (_, response) =>
        void response.writeHead(200, { 'Content-Length': 9 }).write('d', () => response.destroy()),
      'tracker/unreachable',
    ],
    ['silence', () => {}, 'tracker/timeout'],
  ])('%s is a fault with a hint', async (_what, listener, code) => {
    const url = await httpTracker(listener)
    const answer = await ask(transport({ timeoutMs: 300 }), `${url}/announce?passkey=secret`)
    expect(answer).toMatchObject({ ok: false, error: { code, hint: expect.any(String) } })
    expect(answer.ok || answer.error.message).not.toContain('secret')
  })

  test('a closed port is said so at once', async () => {
    const answer = await ask(transport(), `http://127.0.0.1:${await closedPort()}/announce`)
    expect(answer).toMatchObject({ ok: false, error: { code: 'tracker/unreachable' } })
    expect(answer.ok || answer.error.message).toContain('refuses connections')
  })

  test('a certificate nobody vouches for is refused, whatever the environment says (S41)', async () => {
    const server = https.createServer(SELF_SIGNED, (_, response) => response.end(REPLY, 'latin1'))
    cleanUps.push(() => {
      vi.unstubAllEnvs()
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    const { port } = server.address() as AddressInfo
    const answer = await ask(transport(), `https://127.0.0.1:${port}/announce`)
    expect(answer).toMatchObject({ ok: false, error: { code: 'tracker/bad-certificate' } })
    expect(answer.ok || answer.error.message).toContain('certificate')
  })

  test('a few redirects are followed, many are not', async () => {
    const url = await httpTracker((request, response) => {
      const [, left = '0'] = /^\/r(\d)/.exec(request.url!) ?? []
      if (left === '0') response.end(REPLY, 'latin1')
      else response.writeHead(302, { Location: `/r${Number(left) - 1}${request.url!.slice(3)}` }).end()
    })
    expect(await ask(transport(), `${url}/r3`)).toMatchObject({ ok: true })
    expect(await ask(transport(), `${url}/r4`)).toMatchObject({
      ok: false,
      error: { code: 'tracker/bad-reply' },
    })
  })

  test.each(['127.0.0.1', 'localhost', '127.1', '0x7f000001', '[::1]', '[::ffff:127.0.0.1]', '127.0.0.3'])(
    'a tracker on the Internet does not redirect us to %s (S39)',
    async (host) => {
      let asked = 0
      const home = await httpTracker((_, response) => {
        asked++
        response.end(REPLY, 'latin1')
      })
      const { port } = new URL(home)
      const listener: http.RequestListener = (_, response) =>
        response.writeHead(302, { Location: `http://${host}:${port}/announce` }).end()
      const away = await httpTracker(listener, '127.0.0.2')
      const scopeOf = (address: Uint8Array) => (address[3] === 2 ? 'global' : 'machine')
      const answer = await ask(transport({ scopeOf }), `${away}/announce`)
      expect(answer).toMatchObject({ ok: false, error: { code: 'tracker/bad-reply' } })
      expect(asked).toBe(0)
      expect(await ask(transport({ scopeOf }), `${home}/announce`)).toMatchObject({ ok: true })
    },
  )

  test.each(['a%20b:c%3A', '%ff:x', '%:%'])(
    'credentials that may be no text do no harm: %s',
    async (credentials) => {
      const seen: (string | undefined)[] = []
      const url = await httpTracker((request, response) => {
        seen.push(request.headers.authorization)
        const location = `http://${credentials}@${request.headers.host}/there?`
        if (request.url!.startsWith('/there')) response.end(REPLY, 'latin1')
        else response.writeHead(302, { Location: location }).end()
      })
      const withCredentials = url.replace('://', `://${credentials}@`)
      expect(await ask(transport(), `${withCredentials}/announce`)).toMatchObject({ ok: true })
      const expected = credentials.startsWith('a') ? 'a b:c:' : credentials
      expect(seen).toEqual(Array(2).fill(`Basic ${btoa(expected)}`))
    },
  )

  test.each(['ftp://127.0.0.1/announce', 'http://[', 'javascript:1'])(
    'a redirect to %s is not followed',
    async (target) => {
      const url = await httpTracker((_, response) => response.writeHead(302, { Location: target }).end())
      expect(await ask(transport(), `${url}/announce`)).toMatchObject({
        ok: false,
        error: { code: 'tracker/bad-reply' },
      })
    },
  )
})

interface UdpTracker {
  url: string
  received: UdpRequest[]
  socket: dgram.Socket
}

async function udpTracker(
  answer: (request: UdpRequest, count: number) => Uint8Array | undefined,
  host = '127.0.0.1',
): Promise<UdpTracker> {
  const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4')
  cleanUps.push(() => new Promise<void>((resolve) => socket.close(resolve)))
  const received: UdpRequest[] = []
  socket.on('message', (packet, from) => {
    const decoded = decodeUdpRequest(packet)
    if (!decoded.ok) throw new Error(decoded.error.message)
    received.push(decoded.value)
    const bytes = answer(decoded.value, received.length)
    if (bytes !== undefined) socket.send(bytes, from.port, from.address)
  })
  await new Promise<void>((resolve) => socket.bind(0, host, resolve))
  return {
    url: `udp://${host.includes(':') ? `[${host}]` : host}:${socket.address().port}`,
    received,
    socket,
  }
}

const CONNECTION_ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)

function honest(request: UdpRequest): Uint8Array {
  if (request.kind === 'connect') return encodeUdpConnected(request.transactionId, CONNECTION_ID)
  const peersV4 = Uint8Array.of(127, 0, 0, 1, 0, 7)
  const peersV6 = Uint8Array.of(...new Uint8Array(15), 1, 0, 7)
  const counts = { seeders: 1, leechers: 2, completed: 3 }
  const family = request.kind === 'announce' && request.urlData === '/v6' ? 'v6' : 'v4'
  const answer = { intervalSeconds: 60, minIntervalSeconds: 1, ...counts, peersV4, peersV6 }
  return encodeUdpAnswer(request.transactionId, answer, family)
}

describe('UDP', () => {
  test('connects, announces, and uses the connection id again', async () => {
    const tracker = await udpTracker(honest)
    const trackers = transport()
    const value = { intervalSeconds: 60, seeders: 1, leechers: 2, peers: PEERS, from: '127.0.0.1' }
    const expected = { ok: true, value }
    expect(await ask(trackers, `${tracker.url}/announce?k=1`)).toEqual(expected)
    expect(await ask(trackers, tracker.url)).toEqual(expected)
    expect(tracker.received.map((request) => request.kind)).toEqual(['connect', 'announce', 'announce'])
    expect(tracker.received[1]).toMatchObject({
      connectionId: CONNECTION_ID,
      urlData: '/announce?k=1',
      request: REQUEST,
    })
    expect(tracker.received[2]).toMatchObject({ urlData: '' })
  })

  test('over IPv6', async () => {
    const tracker = await udpTracker(honest, '::1')
    expect(await ask(transport(), `${tracker.url}/v6`)).toMatchObject({
      value: { peers: [{ host: '::1', port: 7 }] },
    })
  })

  test('from the address it was told to use', async () => {
    const tracker = await udpTracker(honest)
    const froms: string[] = []
    tracker.socket.on('message', (_, from) => froms.push(from.address))
    await ask(transport({ localAddress: '127.0.0.8' }), tracker.url)
    expect(froms).toEqual(['127.0.0.8', '127.0.0.8'])
  })

  test('several announces at once share one connection id', async () => {
    const tracker = await udpTracker(honest)
    const trackers = transport()
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask(trackers, tracker.url)))
    expect(answers.every((answer) => answer.ok)).toBe(true)
    expect(tracker.received.filter((request) => request.kind === 'connect')).toHaveLength(1)
  })

  test('lost packets are sent again', async () => {
    const tracker = await udpTracker((request, count) =>
      count === 1 || count === 3 ? undefined : honest(request),
    )
    const answer = await ask(transport({ udpTimeoutMs: 20, udpAttemptsMax: 4 }), tracker.url)
    expect(answer).toMatchObject({ ok: true })
    expect(tracker.received.map((request) => request.kind)).toEqual([
      'connect',
      'connect',
      'announce',
      'announce',
    ])
  })

  test('silence is a time-out', async () => {
    const tracker = await udpTracker(() => undefined)
    const answer = await ask(transport({ udpTimeoutMs: 10 }), tracker.url)
    expect(answer).toMatchObject({ ok: false, error: { code: 'tracker/timeout' } })
    expect(tracker.received).toHaveLength(2)
  })

  test('an error is the tracker’s refusal', async () => {
    const tracker = await udpTracker((request) =>
      request.kind === 'connect' ? honest(request) : encodeUdpError(request.transactionId, 'not ours'),
    )
    const answer = await ask(transport(), tracker.url)
    expect(answer).toMatchObject({ ok: false, error: { code: 'tracker/failure' } })
    expect(answer.ok || answer.error.message).toContain('not ours')
  })

  test('a connection id that a restarted tracker no longer knows is replaced', async () => {
    let isRestarted = false
    const tracker = await udpTracker((request) => {
      if (request.kind === 'connect') isRestarted &&= false
      return isRestarted ? encodeUdpError(request.transactionId, 'bad connection id') : honest(request)
    })
    const trackers = transport()
    await ask(trackers, tracker.url)
    isRestarted = true
    expect(await ask(trackers, tracker.url)).toMatchObject({ ok: true })
    expect(tracker.received.map((request) => request.kind)).toEqual([
      'connect',
      'announce',
      'announce',
      'connect',
      'announce',
    ])
  })

  test('so is one that it meets with silence', async () => {
    let isRestarted = false
    const tracker = await udpTracker((request) => {
      if (request.kind === 'connect') isRestarted &&= false
      return isRestarted ? undefined : honest(request)
    })
    const trackers = transport({ udpTimeoutMs: 20 })
    await ask(trackers, tracker.url)
    isRestarted = true
    expect(await ask(trackers, tracker.url)).toMatchObject({ ok: true })
    expect(tracker.received.map((request) => request.kind)).toEqual([
      'connect',
      'announce',
      'announce',
      'connect',
      'announce',
    ])
  })

  test('answers to questions nobody asked, and noise, are passed over', async () => {
    const tracker = await udpTracker((request) => {
      if (request.kind !== 'connect') return honest(request)
      return encodeUdpError((request.transactionId + 1) >>> 0, 'not for you')
    })
    tracker.socket.on('message', (packet, from) => {
      tracker.socket.send(Buffer.from('noise'), from.port, from.address)
      const decoded = decodeUdpRequest(packet)
      if (decoded.ok && decoded.value.kind === 'connect')
        tracker.socket.send(honest(decoded.value), from.port, from.address)
    })
    expect(await ask(transport(), tracker.url)).toMatchObject({ ok: true })
  })

  test('a closed port is said so at once', async () => {
    const tracker = await udpTracker(honest)
    const { port } = tracker.socket.address()
    await cleanUps.pop()!()
    cleanUps.push(() => {})
    const answer = await ask(transport(), `udp://127.0.0.1:${port}`)
    expect(answer).toMatchObject({ ok: false, error: { code: 'tracker/unreachable' } })
  })

  test('a name with several addresses is tried at each of them', async () => {
    const tracker = await udpTracker(honest)
    expect(await ask(transport(), `udp://localhost:${tracker.socket.address().port}`)).toMatchObject({
      ok: true,
    })
  })
})

describe('every scheme', () => {
  test.each(['wss://tracker.example/announce', 'ftp://x/', 'nonsense', ''])(
    '%j is not supported',
    async (url) => {
      expect(await ask(transport(), url)).toMatchObject({
        ok: false,
        error: { code: 'tracker/unsupported-scheme' },
      })
    },
  )

  test('what was cancelled, or open when the transport closed, is never answered', async () => {
    let asked = 0
    const answers: Answer[] = []
    const silent = await httpTracker(() => asked++)
    const silentUdp = await udpTracker(() => void asked++)
    const trackers = transport({ timeoutMs: 50, udpTimeoutMs: 10 })
    for (const url of [`${silent}/announce`, silentUdp.url, 'wss://x']) {
      trackers.announce(url, REQUEST, (answer) => answers.push(answer))()
      trackers.announce(url, REQUEST, (answer) => answers.push(answer))
    }
    while (asked < 2) await new Promise((resolve) => setTimeout(resolve, 1))
    trackers.close()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(
      answers.filter((answer) => answer.ok || answer.error.code !== 'tracker/unsupported-scheme'),
    ).toEqual([])
  })
})
