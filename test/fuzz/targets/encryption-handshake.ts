/**
 * Both sides of message stream encryption: the first byte chooses the side and the methods allowed, the
 * second how the rest, the other side's stream, is cut. It may end in any way but a throw, and sends and
 * holds no more than a handshake takes.
 */
import { hash } from 'node:crypto'
import { assert } from '../../../src/base/assert.ts'
import { concatBytes } from '../../../src/base/bytes.ts'
import { Prng } from '../../../src/base/prng.ts'
import {
  EncryptionHandshake,
  hashOfInfoHash,
  PAD_LENGTH_MAX,
} from '../../../src/swarm/encryption-handshake.ts'
import { encodeHandshake } from '../../../src/wire/handshake.ts'

const INFO_HASH = new Uint8Array(20).fill(7)
const HELLO = encodeHandshake({
  infoHash: INFO_HASH,
  peerId: new Uint8Array(20).fill(1),
  supportsExtensions: true,
  supportsFast: true,
  supportsV2: false,
})
const OUTPUT_MAX = 96 + 40 + 16 + 2 * PAD_LENGTH_MAX + HELLO.length
const sha1 = (bytes: Uint8Array): Uint8Array => hash('sha1', bytes, 'buffer')
const named = Buffer.from(hashOfInfoHash(sha1, INFO_HASH))

/** The same keys and pads each time, so that a stream recorded once is an answer to it for ever. */
function side(isDialler: boolean, methods: number): EncryptionHandshake {
  const prng = new Prng(isDialler ? 1 : 2)
  const setup = { sha1, random: (length: number) => prng.bytes(length), methods }
  if (isDialler) return EncryptionHandshake.offer({ ...setup, infoHash: INFO_HASH, initial: HELLO })
  const findInfoHash = (found: Uint8Array) => (named.equals(found) ? INFO_HASH : undefined)
  return EncryptionHandshake.accept({ ...setup, allowsPlainPeers: methods !== 2, findInfoHash })
}

/** What each side sends to the other when all goes well. */
function recorded(methods: number): { dialler: Uint8Array; answerer: Uint8Array } {
  const [dialler, answerer] = [side(true, methods), side(false, methods)]
  const said: { dialler: Uint8Array[]; answerer: Uint8Array[] } = { dialler: [], answerer: [] }
  for (let i = 0; i < 2; i++) {
    said.dialler.push(dialler.takeOutput()!)
    answerer.push(said.dialler[i]!)
    said.answerer.push(answerer.takeOutput()!)
    dialler.push(said.answerer[i]!)
  }
  assert(dialler.outcome !== undefined && answerer.outcome !== undefined, 'the two agree')
  return { dialler: concatBytes(said.dialler), answerer: concatBytes(said.answerer) }
}

export default {
  name: 'encryption-handshake',

  seeds(): Uint8Array[] {
    return [2, 3].flatMap((methods) => {
      const { dialler, answerer } = recorded(methods)
      return [
        concatBytes([Uint8Array.of(methods, 255), dialler]),
        concatBytes([Uint8Array.of(4 + methods, 40), answerer]),
        concatBytes([Uint8Array.of(methods, 9), HELLO]),
      ]
    })
  },

  run(bytes: Uint8Array): void {
    const [first = 0, cut = 0] = bytes
    const handshake = side((first & 4) !== 0, (first & 1) === 0 ? 2 : 3)
    let sentBytes = 0
    let at = 2
    for (let isOver = false; !isOver && at < bytes.length; at += 1 + cut) {
      isOver = handshake.push(bytes.slice(at, at + 1 + cut)) !== undefined || handshake.outcome !== undefined
      sentBytes += handshake.takeOutput()?.length ?? 0
    }
    assert(sentBytes <= OUTPUT_MAX, 'little is sent to who has proved nothing')
    const { outcome } = handshake
    if (outcome !== undefined) assert(outcome.received.length <= bytes.length, 'nothing is made up')
  },
}
