/**
 * Carries out the tracker's probes (`tracker/heartbeat.ts`): a connection, a BitTorrent handshake of the
 * swarm, and the one that comes back. Who hangs up on it may want it encrypted (`--encryption require`, and
 * programs that are set so), and is asked once more in that way: so such a peer need not say in clear which
 * torrent it has.
 * Nothing is sent but the handshakes, and nothing read beyond `trackerProbeBytesMax`.
 * Invariants: `ended` is told once of every probe that was not abandoned; after `close` no socket is left.
 */
import { randomBytes } from 'node:crypto'
import net from 'node:net'
import { concatBytes, equalBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { fromLatin1 } from '../base/text.ts'
import { EncryptionHandshake, STREAM_METHOD } from '../swarm/encryption-handshake.ts'
import type { ProbeResult } from '../tracker/heartbeat.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { decodeHandshake, encodeHandshake, HANDSHAKE_LENGTH, isHandshakeStart } from '../wire/handshake.ts'
import { PROBE_PEER_ID_PREFIX } from '../wire/probe.ts'
import { nodeCrypto } from './node-crypto.ts'

export interface ProbeSink {
  connected(probe: number): void
  ended(probe: number, result: ProbeResult): void
}

const PEER_ID_LENGTH = 20
const SECOND_MS = 1000

export class ProbeDialer {
  readonly #sink: ProbeSink
  readonly #localAddress: string | undefined
  /** Made anew with every start, so that no two trackers look alike. */
  readonly #peerId = concatBytes([
    fromLatin1(PROBE_PEER_ID_PREFIX),
    randomBytes(PEER_ID_LENGTH - PROBE_PEER_ID_PREFIX.length),
  ])
  /** By probe. Bounded by trackerProbesOpenMax. */
  readonly #sockets = new Map<number, net.Socket>()
  #agreementsSince = 0
  #agreementCount = 0

  /** @param localAddress to connect from; undefined = as the system likes */
  constructor(sink: ProbeSink, localAddress: string | undefined) {
    this.#sink = sink
    this.#localAddress = localAddress
  }

  dial(probe: number, endpoint: Endpoint, infoHash: Uint8Array): void {
    const initial = encodeHandshake({
      infoHash,
      peerId: this.#peerId,
      supportsExtensions: false,
      supportsFast: false,
      supportsV2: false,
    })
    const plain = new PlainHello(initial)
    this.#converse(probe, endpoint, plain, infoHash, () => {
      if (plain.hasHeard || !this.#mayAgree()) return this.#end(probe, 'closed')
      this.#converse(probe, endpoint, new EncryptedHello(initial, infoHash), infoHash, () =>
        this.#end(probe, 'closed'),
      )
    })
  }

  abandon(probe: number): void {
    const socket = this.#sockets.get(probe)
    this.#sockets.delete(probe)
    socket?.destroy()
  }

  close(): void {
    for (const probe of [...this.#sockets.keys()]) this.abandon(probe)
  }

  /** @param hungUp it was connected, and the other side ended that before it had introduced itself */
  #converse(
    probe: number,
    { host, port }: Endpoint,
    hello: Hello,
    infoHash: Uint8Array,
    hungUp: () => void,
  ): void {
    const isSameFamily = this.#localAddress !== undefined && net.isIP(this.#localAddress) === net.isIP(host)
    const socket = net.connect({
      host,
      port,
      noDelay: true,
      ...(isSameFamily && { localAddress: this.#localAddress! }),
    })
    this.#sockets.set(probe, socket)
    let isConnected = false
    const isMine = (): boolean => this.#sockets.get(probe) === socket
    const lost = (): void => {
      if (!isMine()) return
      socket.destroy()
      if (isConnected) hungUp()
      else this.#end(probe, 'unreachable')
    }
    socket.on('connect', () => {
      if (!isMine()) return
      isConnected = true
      this.#sink.connected(probe)
      const bytes = hello.takeOutput()
      if (bytes !== undefined) socket.write(bytes)
    })
    socket.on('data', (bytes) => {
      if (!isMine()) return
      const answer = hello.push(bytes)
      const reply = hello.takeOutput()
      if (reply !== undefined) socket.write(reply)
      // Whoever answers something else is not the peer that announced.
      if (answer === 'nonsense') this.#end(probe, 'silent')
      else if (answer !== undefined) this.#end(probe, isHandshakeOf(answer, infoHash) ? 'ok' : 'silent')
    })
    socket.on('end', lost)
    socket.on('error', lost)
    socket.on('close', lost)
  }

  #end(probe: number, result: ProbeResult): void {
    const socket = this.#sockets.get(probe)
    this.#sockets.delete(probe)
    socket?.destroySoon()
    this.#sink.ended(probe, result)
  }

  /** Each key costs a third of a millisecond, which peers could make us spend. */
  #mayAgree(): boolean {
    const now = performance.now()
    if (now - this.#agreementsSince >= SECOND_MS) {
      this.#agreementsSince = now
      this.#agreementCount = 0
    }
    return ++this.#agreementCount <= LIMITS.keyAgreementsPerSecondMax.value
  }
}

/** One way to introduce ourselves. */
interface Hello {
  takeOutput(): Uint8Array | undefined
  /** The 68 bytes of the other side once they are there. */
  push(bytes: Uint8Array): Uint8Array | 'nonsense' | undefined
}

class PlainHello implements Hello {
  #output: Uint8Array | undefined
  #received: Uint8Array = new Uint8Array(0)

  constructor(initial: Uint8Array) {
    this.#output = initial
  }

  get hasHeard(): boolean {
    return this.#received.length > 0
  }

  takeOutput(): Uint8Array | undefined {
    const output = this.#output
    this.#output = undefined
    return output
  }

  push(bytes: Uint8Array): Uint8Array | 'nonsense' | undefined {
    this.#received = concatBytes([this.#received, bytes.subarray(0, HANDSHAKE_LENGTH)])
    if (!isHandshakeStart(this.#received)) return 'nonsense'
    return this.#received.length < HANDSHAKE_LENGTH ? undefined : this.#received.subarray(0, HANDSHAKE_LENGTH)
  }
}

class EncryptedHello implements Hello {
  readonly #handshake: EncryptionHandshake
  /** Reads the stream once the two sides have agreed. */
  #inside: PlainHello | undefined
  #length = 0

  constructor(initial: Uint8Array, infoHash: Uint8Array) {
    this.#handshake = EncryptionHandshake.offer({
      sha1: nodeCrypto.sha1,
      random: (length) => new Uint8Array(randomBytes(length)),
      methods: STREAM_METHOD.plain | STREAM_METHOD.rc4,
      infoHash,
      initial,
    })
  }

  takeOutput(): Uint8Array | undefined {
    return this.#handshake.takeOutput()
  }

  push(bytes: Uint8Array): Uint8Array | 'nonsense' | undefined {
    this.#length += bytes.length
    if (this.#length > LIMITS.trackerProbeBytesMax.value) return 'nonsense'
    const { outcome } = this.#handshake
    if (outcome !== undefined && this.#inside !== undefined) {
      outcome.cipher?.decrypt(bytes)
      return this.#inside.push(bytes)
    }
    if (this.#handshake.push(bytes) !== undefined) return 'nonsense'
    const agreed = this.#handshake.outcome
    if (agreed === undefined) return undefined
    this.#inside = new PlainHello(new Uint8Array(0))
    return this.#inside.push(agreed.received)
  }
}

function isHandshakeOf(bytes: Uint8Array, infoHash: Uint8Array): boolean {
  const decoded = decodeHandshake(bytes)
  return decoded.ok && equalBytes(decoded.value.infoHash, infoHash)
}
