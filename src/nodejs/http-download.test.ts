import type http from 'node:http'
import { expect, test } from 'vitest'
import { serveWeb } from '../../test/kit/web-server.ts'
import type { AddressScope } from '../wire/address-scope.ts'
import { download, type HttpDownload } from './http-download.ts'
import { ShoalError } from './shoal-error.ts'

/** Answers by path; any other path is not found. */
async function serve(answers: Record<string, (response: http.ServerResponse) => void>) {
  const asked: string[] = []
  const base = await serveWeb((request, response) => {
    asked.push(request.url!)
    const answer = answers[request.url!] ?? ((response: http.ServerResponse) => response.writeHead(404).end())
    answer(response)
  })
  return { asked, base }
}

const to = (location: string) => (response: http.ServerResponse) =>
  response.writeHead(302, { location }).end('moved')

function fetch(url: string, options: Partial<HttpDownload> = {}) {
  const { signal } = new AbortController()
  const fault = (message: string) => new ShoalError('input/bad-url', message)
  const bounds = { scopeMin: 'machine', bytesMax: 1000, redirectsMax: 2 } as const
  return download(new URL(url), { ...bounds, signal, fault, ...options }).then(String)
}

test('follows redirects, wherever they are relative to', async () => {
  const { base, asked } = await serve({
    '/a/b': to('c'),
    '/a/c': to('/d'),
    '/d': (response) => response.end('here'),
  })
  expect(await fetch(`${base}/a/b`)).toBe('here')
  expect(asked).toEqual(['/a/b', '/a/c', '/d'])
})

test.for([
  ['/loop', 'redirects too often'],
  ['/file', 'cannot be followed'],
  ['/nowhere', 'cannot be followed'],
  ['/gone', 'HTTP status 404'],
  ['/long', 'too long'],
  ['/half', 'breaks off'],
  ['/cut', 'cannot be reached'],
  ['/other', 'another protocol'],
] as const)('%s: %s', async ([path, message]) => {
  const { base } = await serve({
    '/loop': to('/loop'),
    '/file': to('file:///etc/hostname'),
    '/nowhere': to('http://'),
    '/long': (response) => response.end('x'.repeat(1001)),
    '/half': (response) => response.writeHead(200, { 'content-length': 100 }).end('x'),
    '/cut': (response) => response.destroy(),
    '/other': (response) => response.writeHead(101, { connection: 'upgrade', upgrade: 'websocket' }).end(),
  })
  await expect(fetch(base + path)).rejects.toThrow(message)
})

test('credentials of a redirect that are no text do no harm', async () => {
  const there = await serve({ '/': (response) => response.end('here') })
  const { base } = await serve({ '/a': to(there.base.replace('://', '://%ff:x@')) })
  expect(await fetch(`${base}/a`)).toBe('here')
})

test.for(['::', '0.0.0.0'])('a wildcard, %s, is no address to connect from', async (localAddress) => {
  const { base } = await serve({ '/': (response) => response.end('here') })
  expect(await fetch(base, { localAddress })).toBe('here')
})

test('a redirect does not lead closer to this machine than where it came from (S39)', async () => {
  const { base, asked } = await serve({ '/secret': (response) => response.end('secret') })
  const outside = await serve({ '/a': to(`${base}/secret`) })
  let isOutside = true
  const scopeOf = (): AddressScope => (isOutside ? 'global' : 'machine')
  const fetching = fetch(`${outside.base}/a`, {
    scopeOf: () => {
      // Asked before the first connection, after it, and before the second.
      const scope = scopeOf()
      if (outside.asked.length > 0) isOutside = false
      return scope
    },
  })
  await expect(fetching).rejects.toThrow('private network')
  expect(asked).toEqual([])
})

test('who stops waiting is told nothing else', async () => {
  const { base, asked } = await serve({ '/slow': () => {} })
  const abort = new AbortController()
  const fetching = fetch(`${base}/slow`, { signal: abort.signal })
  await expect.poll(() => asked).toEqual(['/slow'])
  abort.abort(new Error('enough'))
  await expect(fetching).rejects.toThrow('enough')
})
