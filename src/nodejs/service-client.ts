/**
 * Asks another Shoal peer one question over its peer port (docs/protocol/services.md): connect, say the
 * handshake of services, learn under which number it wants the question, ask, read one answer, leave.
 * With or without encryption as in a download: plain first, and encrypted for a peer that hangs up on that.
 * Invariants: whatever the other side sends, the promise settles within `timeoutMs` and the socket is closed.
 */
import { randomBytes } from 'node:crypto'
import net from 'node:net'
import { equalBytes } from '../base/bytes.ts'
import { toLatin1 } from '../base/text.ts'
import { EncryptionHandshake, STREAM_METHOD } from '../swarm/encryption-handshake.ts'
import type { EncryptionMode } from '../swarm/stream-encryption.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import { decodeExtensionHandshake, encodeExtensionHandshake } from '../wire/extension-handshake.ts'
import { FrameReader } from '../wire/frame-reader.ts'
import { decodeHandshake, encodeHandshake, HANDSHAKE_LENGTH } from '../wire/handshake.ts'
import { MESSAGE, MessageWriter } from '../wire/peer-messages.ts'
import type { StreamCipher } from '../wire/rc4.ts'
import { SERVICE_IDS, SERVICE_INFO_HASH } from '../wire/services.ts'
import { nodeCrypto } from './node-crypto.ts'
import { ShoalError } from './shoal-error.ts'

export interface ServiceQuestion {
  /** Name of the extension message, and what it says. */
  readonly extension: keyof typeof SERVICE_IDS
  readonly body: Uint8Array
}

export interface ServiceAnswer {
  /** As text, 20 characters. */
  readonly peerId: string
  readonly body: Uint8Array
}

export interface ServiceClientOptions {
  readonly timeoutMs: number
  /** Where to connect from. */
  readonly localAddress?: string | undefined
  readonly encryption: EncryptionMode
}

/** How each mode dials, in this order, until somebody does not hang up on it. */
const WAYS: Readonly<Record<EncryptionMode, readonly (number | undefined)[]>> = {
  off: [undefined],
  prefer: [undefined, STREAM_METHOD.plain | STREAM_METHOD.rc4],
  require: [STREAM_METHOD.rc4],
}

/** Throws ShoalError `service/…`. */
export async function askPeer(
  endpoint: Endpoint,
  question: ServiceQuestion,
  { timeoutMs, localAddress, encryption }: ServiceClientOptions,
): Promise<ServiceAnswer> {
  const deadline = performance.now() + timeoutMs
  for (const methods of WAYS[encryption]) {
    const timeLeft = Math.max(1, deadline - performance.now())
    const stream = new AskerStream(new Asker(question), methods)
    const answer = await dial(endpoint, stream, { timeoutMs: timeLeft, localAddress })
    if (answer !== 'hung-up') return answer
  }
  throw notOffered(endpoint)
}

/** `hung-up` when the other side ended it without a word. Throws ShoalError `service/…`. */
function dial(
  endpoint: Endpoint,
  stream: AskerStream,
  { timeoutMs, localAddress }: Omit<ServiceClientOptions, 'encryption'>,
): Promise<ServiceAnswer | 'hung-up'> {
  const address = formatEndpoint(endpoint)
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...endpoint, noDelay: true, ...(localAddress && { localAddress }) })
    const end = (result: ServiceAnswer | 'hung-up' | ShoalError) => {
      clearTimeout(timer)
      if (result instanceof ShoalError || result === 'hung-up') socket.destroy()
      else {
        socket.end()
        socket.destroySoon()
      }
      if (result instanceof ShoalError) reject(result)
      else resolve(result)
    }
    const timer = setTimeout(() => {
      const message = `${address} does not answer`
      end(new ShoalError('service/timeout', message, 'Is that the port of a running peer?'))
    }, timeoutMs)
    const left = () => end(stream.hasHeard ? notOffered(endpoint) : 'hung-up')
    socket.on('connect', () => socket.write(stream.greeting()))
    socket.on('data', (bytes) => {
      if (!stream.received(bytes)) return end(notOffered(endpoint))
      const toSend = stream.takeOutput()
      if (toSend.length > 0) socket.write(toSend)
      if (stream.answer !== undefined) end(stream.answer)
    })
    socket.on('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ECONNRESET' || cause.code === 'EPIPE') return left()
      const message = `${address} cannot be reached: ${cause.code ?? cause.message}`
      end(new ShoalError('service/unreachable', message, 'Is a peer running there?', { cause }))
    })
    socket.on('close', left)
  })
}

function notOffered(endpoint: Endpoint): ShoalError {
  return new ShoalError(
    'service/not-offered',
    `${formatEndpoint(endpoint)} answers no such questions`,
    'Only Shoal does; with other --encryption on one side, the two do not meet. Is that the port of a running peer?',
  )
}

/** What the asker says and hears, as it goes over the wire. */
class AskerStream {
  /** The other side has sent something. */
  hasHeard = false
  readonly #asker: Asker
  readonly #methods: number | undefined
  /** Until the two sides agree. */
  #encryption: EncryptionHandshake | undefined
  #cipher: StreamCipher | undefined

  /** @param methods of encryption to offer, undefined for none */
  constructor(asker: Asker, methods: number | undefined) {
    this.#asker = asker
    this.#methods = methods
  }

  get answer(): ServiceAnswer | undefined {
    return this.#asker.answer
  }

  greeting(): Uint8Array {
    const initial = this.#asker.greeting()
    if (this.#methods === undefined) return initial
    this.#encryption = EncryptionHandshake.offer({
      sha1: nodeCrypto.sha1,
      random: randomBytes,
      methods: this.#methods,
      infoHash: SERVICE_INFO_HASH,
      initial,
    })
    return this.#encryption.takeOutput()!
  }

  /** False as soon as the other side turns out to offer no such service. @param bytes decrypted in place */
  received(bytes: Uint8Array): boolean {
    this.hasHeard = true
    this.#cipher?.decrypt(bytes)
    if (this.#encryption === undefined) return this.#asker.received(bytes)
    if (this.#encryption.push(bytes) !== undefined) return false
    const { outcome } = this.#encryption
    if (outcome === undefined) return true
    this.#encryption = undefined
    this.#cipher = outcome.cipher
    return outcome.received.length === 0 || this.#asker.received(outcome.received)
  }

  takeOutput(): Uint8Array {
    const agreeing = this.#encryption?.takeOutput()
    if (this.#encryption !== undefined) return agreeing ?? new Uint8Array(0)
    const output = this.#asker.takeOutput()
    this.#cipher?.encrypt(output)
    return output
  }
}

/** The asker's side of the conversation. */
class Asker {
  answer: ServiceAnswer | undefined
  readonly #question: ServiceQuestion
  readonly #handshake = new Uint8Array(HANDSHAKE_LENGTH)
  #handshakeLength = 0
  readonly #writer = new MessageWriter()
  readonly #reader = new FrameReader(
    {
      onMessage: (type, payload) => void this.#message(type, payload),
      onHave: () => undefined,
      onRequest: () => undefined,
      onBlockStart: () => undefined,
      onBlockEnd: () => undefined,
      onKeepAlive: () => undefined,
    },
    1,
  )
  #isRefused = false

  constructor(question: ServiceQuestion) {
    this.#question = question
  }

  greeting(): Uint8Array {
    this.#writer.raw(
      encodeHandshake({
        infoHash: SERVICE_INFO_HASH,
        peerId: Buffer.concat([Buffer.from('-SHask0-'), randomBytes(12)]),
        supportsExtensions: true,
        supportsFast: false,
        supportsV2: false,
      }),
    )
    this.#writer.extended(
      0,
      encodeExtensionHandshake({
        messages: new Map(Object.entries(SERVICE_IDS)),
        client: 'Shoal',
        listenPort: undefined,
        requestQueueLength: undefined,
        isUploadOnly: false,
        metadataSize: undefined,
      }),
    )
    return this.#writer.take()
  }

  /** False as soon as the other side turns out to offer no such service. */
  received(bytes: Uint8Array): boolean {
    const taken = Math.min(bytes.length, HANDSHAKE_LENGTH - this.#handshakeLength)
    this.#handshake.set(bytes.subarray(0, taken), this.#handshakeLength)
    this.#handshakeLength += taken
    if (this.#handshakeLength < HANDSHAKE_LENGTH) return true
    const handshake = decodeHandshake(this.#handshake)
    if (!handshake.ok || !equalBytes(handshake.value.infoHash, SERVICE_INFO_HASH)) return false
    const fault = this.#reader.push(bytes.subarray(taken))
    return fault === undefined && !this.#isRefused
  }

  takeOutput(): Uint8Array {
    return this.#writer.take()
  }

  #message(type: number, payload: Uint8Array): void {
    if (type !== MESSAGE.extended || payload.length === 0) return
    const body = payload.subarray(1)
    const { extension, body: question } = this.#question
    if (payload[0] === 0) {
      const handshake = decodeExtensionHandshake(body)
      const id = handshake.ok ? (handshake.value.messages.get(extension) ?? 0) : 0
      if (id === 0) this.#isRefused = true
      else this.#writer.extended(id, question)
    } else if (payload[0] === SERVICE_IDS[extension])
      this.answer ??= { peerId: toLatin1(this.#handshake.subarray(48)), body: body.slice() }
  }
}
