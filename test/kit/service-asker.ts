/**
 * One question to a peer's services on a raw socket, written from docs/protocol/services.md: connect, say the
 * handshake, read the extension handshake, ask, and give back what is answered.
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { bdecode, bencode } from './bencode.ts'
import { within } from './waiting.ts'

// biome-ignore lint/suspicious/noExplicitAny: what the fields are is what the tests check
export type RawAnswer = Map<string, any>

const MY_ID = 9

export function askRaw(
  endpoint: { host: string; port: number },
  extension: string,
  body: Buffer,
): Promise<RawAnswer> {
  const socket = connect(endpoint)
  const answer = new Promise<RawAnswer>((resolve, reject) => {
    let received = Buffer.alloc(0)
    socket.on('connect', () => {
      const reserved = Buffer.from([0, 0, 0, 0, 0, 0x10, 0, 0])
      socket.write(
        Buffer.concat([
          Buffer.from('\x13BitTorrent protocol', 'latin1'),
          reserved,
          Buffer.from('shoal-peer-service-1'),
          randomBytes(20),
          frame(0, bencode({ m: { [extension]: MY_ID } })),
        ]),
      )
    })
    socket.on('data', (data) => {
      received = Buffer.concat([received, data])
      for (let at = 68; received.length >= at + 4; ) {
        const length = received.readUInt32BE(at)
        const message = received.subarray(at + 4, at + 4 + length)
        if (message.length < length) return
        at += 4 + length
        if (message[0] !== 20) continue
        if (message[1] === MY_ID) return resolve(bdecode(message.subarray(2)) as RawAnswer)
        if (message[1] !== 0) continue
        const hello = bdecode(message.subarray(2)) as RawAnswer
        received = Buffer.concat([received.subarray(0, 68), received.subarray(at)])
        at = 68
        socket.write(frame(hello.get('m').get(extension), body))
      }
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the peer closed the connection')))
  })
  return within(`answer to ${extension}`, answer).finally(() => socket.destroy())
}

function frame(id: number, body: Buffer): Buffer {
  const head = Buffer.alloc(6)
  head.writeUInt32BE(2 + body.length)
  head[4] = 20
  head[5] = id
  return Buffer.concat([head, body])
}
