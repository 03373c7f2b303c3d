/** Ranges over real HTTP from servers of this test, honest ones and others. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import type { RangeRequest } from '../wire/range-request.ts'
import type { WebSeedFault } from '../wire/web-seed-reply.ts'
import { NodeWebSeedTransport, type WebSeedTransportOptions } from './web-seed-fetch.ts'

const FILE = Buffer.alloc(300_000, 'abcdefghijklmnopqrstuvwxyz0123456789')
const CLEAN_UP: (() => void)[] = []

afterEach(() => {
  for (const task of CLEAN_UP.splice(0)) task()
})

type Handle = (request: http.IncomingMessage, response: http.ServerResponse) => void

/** Gives the address, and how many connections there were. */
async function serve(handle: Handle): Promise<{ url: string; connections: () => number }> {
  let count = 0
  const server = http.createServer(handle).on('connection', () => count++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  CLEAN_UP.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, connections: () => count }
}

/** As a server with ranges does. */
const honest: Handle = (request, response) => {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')!
  const body = FILE.subarray(Number(first), Number(last) + 1)
  response.writeHead(206, { 'Content-Range': `bytes ${first}-${last}/${FILE.length}` }).end(body)
}

function transportOf(options: WebSeedTransportOptions = {}): NodeWebSeedTransport {
  const transport = new NodeWebSeedTransport(options)
  CLEAN_UP.push(() => transport.close())
  return transport
}

/** The bytes that came and how it ended. */
function fetchRange(
  transport: NodeWebSeedTransport,
  request: Partial<RangeRequest> & { url: string },
): Promise<{ bytes: Buffer; fault: WebSeedFault | undefined }> {
  const chunks: Buffer[] = []
  return new Promise((resolve) => {
    transport.get(
      { scopeMin: 'machine', offset: 1000, length: 200_000, fileLength: FILE.length, ...request },
      {
        data: (bytes) => chunks.push(Buffer.from(bytes)),
        ended: (fault) => resolve({ bytes: Buffer.concat(chunks), fault }),
      },
    )
  })
}

test('a range comes as it is, and the connection is used again', async () => {
  const { url, connections } = await serve(honest)
  const transport = transportOf()
  for (const offset of [0, 1000, 250_000]) {
    const { bytes, fault } = await fetchRange(transport, { url, offset, length: 50_000 })
    expect(fault).toBeUndefined()
    expect(bytes.equals(FILE.subarray(offset, offset + 50_000))).toBe(true)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(connections()).toBe(1)
})

test('from a server without ranges the wanted part of the file is taken', async () => {
  const { url } = await serve((_request, response) => response.end(FILE))
  const { bytes } = await fetchRange(transportOf(), { url })
  expect(bytes.equals(FILE.subarray(1000, 201_000))).toBe(true)
})

test('a body without end is cut off where the range ends', async () => {
  const { url } = await serve((_request, response) => {
    response.writeHead(206, { 'Content-Range': `bytes 1000-200999/${FILE.length}` })
    const timer = setInterval(() => response.write(FILE), 1)
    response.on('close', () => clearInterval(timer))
  })
  const { bytes, fault } = await fetchRange(transportOf(), { url })
  expect(fault).toBeUndefined()
  expect(bytes.length).toBe(200_000)
})

test('a broken connection is an end with fewer bytes', async () => {
  const { url } = await serve((_request, response) => {
    response.writeHead(206, {
      'Content-Range': `bytes 1000-200999/${FILE.length}`,
      'Content-Length': 200_000,
    })
    response.write(FILE.subarray(1000, 31_000), () => setTimeout(() => response.destroy(), 20))
  })
  const { bytes, fault } = await fetchRange(transportOf(), { url })
  expect(fault).toBeUndefined()
  expect(bytes.equals(FILE.subarray(1000, 31_000))).toBe(true)
})

test('packed answers are not unpacked', async () => {
  let asked: string | string[] | undefined
  const { url } = await serve((request, response) => {
    asked = request.headers['accept-encoding']
    response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(FILE)
  })
  const { bytes, fault } = await fetchRange(transportOf(), { url })
  expect(asked).toBe('identity')
  expect(fault?.code).toBe('web-seed/encoded')
  expect(bytes.length).toBe(0)
})

test('a paused fetch does not read on, and goes on when told', async () => {
  const { url } = await serve((_request, response) => response.end(Buffer.alloc(30_000_000)))
  let length = 0
  let ended = false
  const fetch = transportOf().get(
    { url, scopeMin: 'machine', offset: 0, length: 30_000_000, fileLength: 30_000_000 },
    {
      data: (bytes) => {
        if (length === 0) fetch.pause()
        length += bytes.length
      },
      ended: () => {
        ended = true
      },
    },
  )
  await expect.poll(() => length).toBeGreaterThan(0)
  await new Promise((resolve) => setTimeout(resolve, 50))
  // What had been read already.
  expect(length).toBeLessThan(1_000_000)
  fetch.resume()
  await expect.poll(() => ended, { timeout: 10_000 }).toBe(true)
  expect(length).toBe(30_000_000)
})

test('redirects are followed, a few of them', async () => {
  const target = await serve(honest)
  const once = await serve((_request, response) =>
    response.writeHead(302, { Location: `${target.url}f` }).end(),
  )
  const { bytes } = await fetchRange(transportOf(), { url: once.url })
  expect(bytes.length).toBe(200_000)
  let count = 0
  const endless = await serve((_request, response) =>
    response.writeHead(301, { Location: `/${++count}` }).end(),
  )
  const { fault } = await fetchRange(transportOf(), { url: endless.url })
  expect(fault?.code).toBe('web-seed/bad-redirect')
  expect(count).toBe(LIMITS.webSeedRedirectsMax.value + 1)
})

test('credentials of a redirect that are no text do no harm', async () => {
  const target = await serve(honest)
  const location = target.url.replace('://', '://%ff:x@')
  const { url } = await serve((_request, response) => response.writeHead(302, { Location: location }).end())
  const { bytes } = await fetchRange(transportOf(), { url })
  expect(bytes.length).toBe(200_000)
})

test('a redirect towards this machine or network is not followed (S39)', async () => {
  let wasAsked = false
  const inside = await serve((_request, response) => {
    wasAsked = true
    response.end()
  })
  const port = new URL(inside.url).port
  for (const location of [inside.url, `http://localhost:${port}/`, `http://[::ffff:127.0.0.1]:${port}/`]) {
    const outside = await serve((_request, response) => response.writeHead(302, { Location: location }).end())
    // The first connection counts as one to the Internet, later ones as they are.
    let count = 0
    const scopeOf = () => (count++ < 2 ? 'global' : 'machine') as 'global' | 'machine'
    const { fault } = await fetchRange(transportOf({ scopeOf }), { url: outside.url })
    expect(fault?.code).toBe('web-seed/blocked-address')
  }
  expect(wasAsked).toBe(false)
})

test.each(['ftp://127.0.0.1/', 'file:///etc/passwd', 'http://'])('a redirect to %s', async (location) => {
  const { url } = await serve((_request, response) => response.writeHead(302, { Location: location }).end())
  const { fault } = await fetchRange(transportOf(), { url })
  expect(fault?.code).toBe('web-seed/bad-redirect')
})

test.each(['127.0.0.1', '127.1', '0x7f000001', '2130706433', 'localhost', '[::1]', '[::ffff:127.0.0.1]'])(
  'a torrent from a stranger does not name %s (S39)',
  async (host) => {
    let wasAsked = false
    const { url } = await serve((_request, response) => {
      wasAsked = true
      response.end()
    })
    const { fault } = await fetchRange(transportOf(), {
      url: `http://${host}:${new URL(url).port}/`,
      scopeMin: 'global',
    })
    expect(fault?.code).toBe('web-seed/blocked-address')
    expect(wasAsked).toBe(false)
  },
)

test('a query goes to public addresses only', async () => {
  const { url } = await serve(honest)
  const { fault } = await fetchRange(transportOf(), { url: `${url}?delete=everything` })
  expect(fault?.code).toBe('web-seed/blocked-address')
  const { bytes } = await fetchRange(transportOf({ scopeOf: () => 'global' }), { url: `${url}?file=1` })
  expect(bytes.length).toBe(200_000)
})

test('a server that is not there', async () => {
  const { fault } = await fetchRange(transportOf(), { url: 'http://127.0.0.1:1/' })
  expect(fault).toMatchObject({ code: 'web-seed/unreachable' })
  expect(fault?.message).toBe('its server 127.0.0.1:1 refuses connections')
})

test('headers without end are not read', async () => {
  const { url } = await serve((_request, response) => {
    response.writeHead(206, { 'X-Long': 'x'.repeat(60_000) }).end()
  })
  const { fault } = await fetchRange(transportOf(), { url })
  expect(fault?.code).toBe('web-seed/unreachable')
})

test('after a cancel nothing comes', async () => {
  const { url } = await serve(honest)
  let calls = 0
  const count = () => void calls++
  const request: RangeRequest = { url, scopeMin: 'machine', offset: 0, length: 10, fileLength: FILE.length }
  transportOf().get(request, { data: count, ended: count }).cancel()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(calls).toBe(0)
})
