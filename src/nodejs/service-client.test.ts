import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { encodeStatsQuery, STATS_EXTENSION } from '../wire/stats-messages.ts'
import { askPeer } from './service-client.ts'

const QUESTION = { extension: STATS_EXTENSION, body: encodeStatsQuery({ allIds: false }) } as const
const PLAIN_START = '\x13BitTorrent protocol'

const stops: (() => void)[] = []
afterEach(() => stops.splice(0).forEach((stop) => void stop()))

/** What each connection began with, when the first bytes of every one are answered so. */
async function listen(answer: (socket: Socket, bytes: Buffer) => void) {
  const first: string[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (bytes) => {
      first.push(bytes.toString('latin1').startsWith(PLAIN_START) ? 'plain' : 'encrypted')
      answer(socket, bytes)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  stops.push(() => server.close())
  return { first, endpoint: { host: '127.0.0.1', port: (server.address() as AddressInfo).port } }
}

test('who hangs up without a word is asked encrypted, unless that is off', async () => {
  for (const [encryption, ways] of [
    ['prefer', ['plain', 'encrypted']],
    ['off', ['plain']],
    ['require', ['encrypted']],
  ] as const)
    for (const hangUp of ['destroy', 'resetAndDestroy'] as const) {
      const { first, endpoint } = await listen((socket) => socket[hangUp]())
      const asked = askPeer(endpoint, QUESTION, { timeoutMs: 10_000, encryption })
      await expect(asked).rejects.toMatchObject({ code: 'service/not-offered' })
      expect(first).toEqual(ways)
    }
})

test('who answers something else is not asked twice', async () => {
  const { first, endpoint } = await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const asked = askPeer(endpoint, QUESTION, { timeoutMs: 10_000, encryption: 'prefer' })
  await expect(asked).rejects.toMatchObject({ code: 'service/not-offered' })
  expect(first).toEqual(['plain'])
})

test('whatever comes in place of an agreement, it ends', async () => {
  const garbage = Buffer.alloc(4000, 0x5a)
  const { endpoint } = await listen((socket) => socket.write(garbage))
  const asked = askPeer(endpoint, QUESTION, { timeoutMs: 10_000, encryption: 'require' })
  await expect(asked).rejects.toMatchObject({ code: 'service/not-offered' })
})

test('both dials together take no longer than one may', async () => {
  let count = 0
  const { first, endpoint } = await listen((socket) => {
    if (++count === 1) socket.destroy()
  })
  const asked = askPeer(endpoint, QUESTION, { timeoutMs: 2500, encryption: 'prefer' })
  await expect(asked).rejects.toMatchObject({ code: 'service/timeout' })
  expect(first).toEqual(['plain', 'encrypted'])
})
