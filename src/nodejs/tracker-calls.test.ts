import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { Result } from '../base/result.ts'
import { HttpTrackerCalls } from './tracker-calls.ts'

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

async function call(answer: (response: http.ServerResponse) => void): Promise<Result<unknown>> {
  const server = http.createServer((_request, response) => answer(response)).listen(0, '127.0.0.1')
  const calls = new HttpTrackerCalls({ timeoutMs: 60_000 })
  stops.push(() => {
    calls.close()
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/announce`
  return new Promise((resolve) => calls.call({ url, path: '/api/v1' }, resolve))
}

test('gives what the tracker answers', async () => {
  expect(await call((response) => response.end('{"peers":3}'))).toEqual({ ok: true, value: { peers: 3 } })
})

test('a tracker that changes to another protocol is at fault', async () => {
  const headers = { connection: 'upgrade', upgrade: 'websocket' }
  const answer = await call((response) => response.writeHead(101, headers).end())
  expect(answer).toMatchObject({ ok: false, error: { message: expect.stringContaining('another protocol') } })
})
