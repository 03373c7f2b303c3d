/**
 * Asks another Shoal peer one question over its peer port (docs/protocol/services.md): connect, say the
 * handshake of services, learn under which number it wants the question, ask, read one answer, leave.
 * Invariants: whatever the other side sends, the promise settles within `timeoutMs` and the socket is closed.
 */
import { randomBytes } from 'node:crypto'
import net from 'node:net'
import { equalBytes } from '../base/bytes.ts'
import { toLatin1 } from '../base/text.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import { decodeExtensionHandshake, encodeExtensionHandshake } from '../wire/extension-handshake.ts'
import { FrameReader } from '../wire/frame-reader.ts'
import { decodeHandshake, encodeHandshake, HANDSHAKE_LENGTH } from '../wire/handshake.ts'
import { MESSAGE, MessageWriter } from '../wire/peer-messages.ts'
import { SERVICE_IDS, SERVICE_INFO_HASH } from '../wire/services.ts'
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
}

/** Throws ShoalError `service/…`. */
export function askPeer(
  endpoint: Endpoint,
  question: ServiceQuestion,
  { timeoutMs, localAddress }: ServiceClientOptions,
): Promise<ServiceAnswer> {
  const address = formatEndpoint(endpoint)
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...endpoint, noDelay: true, ...(localAddress && { localAddress }) })
    const asker = new Asker(question)
    const fail = (code: string, message: string, hint: string, cause?: unknown) => {
      socket.destroy()
      clearTimeout(timer)
      reject(new ShoalError(code, message, hint, { cause }))
    }
    const notOffered = () =>
      fail(
        'service/not-offered',
        `${address} answers no such questions`,
        'Only Shoal does, and not with --encryption require. Is that the port of a running peer?',
      )
    const timer = setTimeout(
      () => fail('service/timeout', `${address} does not answer`, 'Is that the port of a running peer?'),
      timeoutMs,
    )
    socket.on('connect', () => socket.write(asker.greeting()))
    socket.on('data', (bytes) => {
      if (!asker.received(bytes)) return notOffered()
      const toSend = asker.takeOutput()
      if (toSend.length > 0) socket.write(toSend)
      if (asker.answer === undefined) return
      clearTimeout(timer)
      socket.end()
      socket.destroySoon()
      resolve(asker.answer)
    })
    socket.on('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ECONNRESET' || cause.code === 'EPIPE') return notOffered()
      fail(
        'service/unreachable',
        `${address} cannot be reached: ${cause.code ?? cause.message}`,
        'Is a peer running there?',
        cause,
      )
    })
    socket.on('close', notOffered)
  })
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
