import net from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { fromLatin1, toLatin1 } from '../base/text.ts'
import { EncryptionHandshake, STREAM_METHOD } from '../swarm/encryption-handshake.ts'
import { encodeHandshake } from '../wire/handshake.ts'
import { isProbe } from '../wire/probe.ts'
import { nodeCrypto } from './node-crypto.ts'
import { ProbeDialer } from './probe-dialer.ts'

const INFO_HASH = new Uint8Array(20).fill(7)
const OTHER = new Uint8Array(20).fill(8)

const cleanUps: (() => void)[] = []
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp()
})

function helloOf(infoHash: Uint8Array): Uint8Array {
  const peerId = fromLatin1('-XX0001-abcdefghijkl')
  return encodeHandshake({
    infoHash,
    peerId,
    supportsExtensions: false,
    supportsFast: false,
    supportsV2: false,
  })
}

/** Listens, and treats each connection as told; gives the port. */
async function listen(serve: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    cleanUps.push(() => socket.destroy())
    serve(socket)
  })
  cleanUps.push(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as net.AddressInfo).port
}

/** What became of one probe: `connected` if it was, then how it ended. */
function probe(port: number, abandonOn?: 'connected'): Promise<string[]> {
  const heard: string[] = []
  return new Promise((resolve) => {
    const dialer = new ProbeDialer(
      {
        connected: (id) => {
          heard.push('connected')
          if (abandonOn === undefined) return
          dialer.abandon(id)
          setTimeout(() => resolve(heard), 50)
        },
        ended: (_id, result) => resolve([...heard, result]),
      },
      '127.0.0.1',
    )
    cleanUps.push(() => dialer.close())
    dialer.dial(1, { host: '127.0.0.1', port }, INFO_HASH)
  })
}

describe('a probe', () => {
  test('of a peer of that swarm gets its handshake back, and sends nothing but its own', async () => {
    const received: number[] = []
    const port = await listen((socket) =>
      socket.on('data', (bytes) => {
        received.push(...bytes)
        socket.write(helloOf(INFO_HASH))
      }),
    )
    expect(await probe(port)).toEqual(['connected', 'ok'])
    expect(received.length).toBe(68)
    expect(received.slice(28, 48)).toEqual([...INFO_HASH])
    expect(isProbe(Uint8Array.from(received.slice(48)))).toBe(true)
  })

  test('reads a handshake that comes byte by byte, with more behind it', async () => {
    const port = await listen((socket) =>
      socket.once('data', () => {
        for (const byte of [...helloOf(INFO_HASH), 0, 0, 0, 1, 2]) socket.write(Uint8Array.of(byte))
      }),
    )
    expect(await probe(port)).toEqual(['connected', 'ok'])
  })

  test('of somebody else at that address finds no peer', async () => {
    const answers = [
      'HTTP/1.1 400 Bad Request\r\n\r\n',
      toLatin1(helloOf(OTHER)),
      'SSH-2.0-x\r\n',
      '\x13BitTorrent protocoL',
    ]
    for (const answer of answers) {
      const port = await listen((socket) => socket.once('data', () => socket.end(fromLatin1(answer))))
      expect(await probe(port)).toEqual(['connected', 'silent'])
    }
  })

  test('of nobody', async () => {
    const port = await listen(() => {})
    cleanUps.pop()!()
    expect(await probe(port)).toEqual(['unreachable'])
  })

  test('that is hung up on is tried encrypted, and then given up', async () => {
    let count = 0
    const port = await listen((socket) => {
      count++
      socket.once('data', () => socket.destroy())
    })
    expect(await probe(port)).toEqual(['connected', 'connected', 'closed'])
    expect(count).toBe(2)
  })

  test('that is abandoned ends without a word', async () => {
    const port = await listen(() => {})
    expect(await probe(port, 'connected')).toEqual(['connected'])
  })

  test.for([STREAM_METHOD.rc4, STREAM_METHOD.plain])(
    'of a peer that takes encrypted connections only (method %i)',
    async (methods) => {
      const port = await listen((socket) => {
        const handshake = EncryptionHandshake.accept({
          sha1: nodeCrypto.sha1,
          random: (length) => new Uint8Array(length).fill(9),
          methods,
          allowsPlainPeers: false,
          findInfoHash: () => INFO_HASH,
        })
        socket.on('data', (bytes) => {
          if (handshake.outcome !== undefined) return
          if (handshake.push(bytes) !== undefined) {
            socket.destroy()
            return
          }
          const output = handshake.takeOutput()
          if (output !== undefined) socket.write(output)
          const { outcome } = handshake as { outcome: EncryptionHandshake['outcome'] }
          if (outcome === undefined) return
          const hello = helloOf(INFO_HASH)
          outcome.cipher?.encrypt(hello)
          socket.write(hello)
        })
      })
      expect(await probe(port)).toEqual(['connected', 'connected', 'ok'])
    },
  )
})
