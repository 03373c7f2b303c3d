/**
 * Which connections are encrypted (`--encryption`), for all torrents, and their ciphers: everything that goes
 * out passes `write`, everything that comes in passes `read`.
 * - `off`: dials and takes in plain connections only.
 * - `prefer`: takes in both; dials plain, because that costs nothing and nearly everybody speaks it, and
 *   dials encrypted who hangs up on that.
 * - `require`: dials and takes in only connections whose whole stream is encrypted.
 * Invariants: what is kept of a connection goes with it; at most `keyAgreementsPerSecondMax` keys a
 * second are computed for others.
 */
import { fromHex, toHex } from '../base/bytes.ts'
import type { Crypto } from '../base/env.ts'
import { LIMITS } from '../base/limits.ts'
import { type Instant, MICROSECONDS_PER_SECOND } from '../base/time.ts'
import type { StreamCipher } from '../wire/rc4.ts'
import { SERVICE_INFO_HASH } from '../wire/services.ts'
import type { Connection } from './connection.ts'
import type { SwarmOutput } from './effects.ts'
import { EncryptionHandshake, hashOfInfoHash, STREAM_METHOD } from './encryption-handshake.ts'
import type { DisconnectReason } from './events.ts'
import type { KnownPeer } from './peer-list.ts'

export type EncryptionMode = 'off' | 'prefer' | 'require'

/** Off when not given. */
export interface EncryptionOptions {
  readonly mode: EncryptionMode
  /** So many unpredictable bytes: not of the seeded generator, whose seed could be guessed. */
  readonly random: (length: number) => Uint8Array
}

/** Infohashes by which peers may name a torrent, as hex digits. */
interface KnownHashes {
  keys(): Iterable<string>
  has(infoHash: string): boolean
}

/** What is kept of a connection that is encrypted, or may become so. */
interface Stream {
  /** Until the two sides agree. Undefined, like the cipher, when we dialled and have not said anything. */
  encryption: EncryptionHandshake | undefined
  cipher: StreamCipher | undefined
}

const NOTHING = new Uint8Array(0)
/** Under which peers ask for services, where no torrent is meant. */
const SERVICES = toHex(SERVICE_INFO_HASH)
const OFF: EncryptionOptions = { mode: 'off', random: (length) => new Uint8Array(length) }

export class StreamEncryption {
  readonly #options: EncryptionOptions
  readonly #sha1: Crypto['sha1']
  readonly #known: KnownHashes
  readonly #methods: number
  readonly #emit: (output: SwarmOutput) => void
  /** By connection. Those that are plain are not in it, but for the first bytes of those that come in. */
  readonly #streams = new Map<number, Stream>()
  /** HASH('req2', infohash) to infohash, both as hex digits; made when it is needed. */
  readonly #infoHashes = new Map<string, string>()
  #countingSince = 0 as Instant
  #agreementCount = 0

  /** @param emit hears what is to be sent while two sides agree */
  constructor(
    options: EncryptionOptions = OFF,
    { sha1 }: Crypto,
    known: KnownHashes,
    emit: (output: SwarmOutput) => void,
  ) {
    this.#emit = emit
    this.#options = options
    this.#sha1 = sha1
    this.#known = known
    this.#methods = STREAM_METHOD.rc4 | (options.mode === 'require' ? 0 : STREAM_METHOD.plain)
  }

  /** Each peer decides whether it is dialled with or without encryption. */
  get isByPeer(): boolean {
    return this.#options.mode === 'prefer'
  }

  /** False when too many keys were computed, so that the peer has to wait for its dial. */
  mayDial(now: Instant, peer: KnownPeer): boolean {
    return !this.#isDialledEncrypted(peer) || this.#hasAgreementsLeft(now)
  }

  /** We are connected to this peer, and the BitTorrent handshake is the next that is sent. */
  begin(now: Instant, connection: number, peer: KnownPeer | undefined): void {
    if (!this.#isDialledEncrypted(peer)) return
    if (this.#hasAgreementsLeft(now)) this.#agreementCount++
    this.#streams.set(connection, { encryption: undefined, cipher: undefined })
  }

  /** Somebody is connected to us. */
  expect(connection: number): void {
    if (this.#options.mode === 'off') return
    const encryption = EncryptionHandshake.accept({
      ...this.#setup,
      allowsPlainPeers: this.#options.mode !== 'require',
      findInfoHash: (hash) => this.#findInfoHash(toHex(hash)),
    })
    this.#streams.set(connection, { encryption, cipher: undefined })
  }

  /**
   * Bytes came: gives the peer's stream in clear, nothing of it while the two sides are still agreeing, or
   * the reason to end the connection.
   * @param bytes borrowed; decrypted in place
   */
  read(now: Instant, connection: number, bytes: Uint8Array): Uint8Array | DisconnectReason {
    // One look for all others, so that plain connections cost nothing.
    const stream = this.#streams.size === 0 ? undefined : this.#streams.get(connection)
    if (stream === undefined) return bytes
    stream.cipher?.decrypt(bytes)
    const { encryption } = stream
    if (encryption === undefined) return bytes
    const failure = encryption.push(bytes, () => this.#hasAgreementsLeft(now) && ++this.#agreementCount > 0)
    if (failure !== undefined) return failure
    const output = encryption.takeOutput()
    if (output !== undefined) this.#emit({ kind: 'send', connection, bytes: output })
    if (encryption.outcome === undefined) return NOTHING
    const { cipher, received } = encryption.outcome
    stream.encryption = undefined
    stream.cipher = cipher
    if (cipher === undefined) this.#streams.delete(connection)
    return received
  }

  /** Encrypts, in place, what goes out on an encrypted stream; what begins one goes inside its handshake. */
  write(output: SwarmOutput): SwarmOutput {
    if (this.#streams.size === 0 || output.kind !== 'send') return output
    const stream = this.#streams.get(output.connection)
    if (stream === undefined || stream.encryption !== undefined) return output
    if (stream.cipher === undefined) return { ...output, bytes: this.#offer(stream, output.bytes) }
    stream.cipher.encrypt(output.bytes)
    return output
  }

  /** A connection ended. True when we dialled it and the other side may have ended it for the way we did. */
  left(connection: Connection, reason: DisconnectReason): boolean {
    const isEncrypted = this.#streams.delete(connection.id) && this.isByPeer && reason !== 'stopped'
    const isHangUp = reason === 'remote-closed' || reason === 'connection-reset'
    return connection.isUnanswered && (isEncrypted || isHangUp)
  }

  /** @param initial the BitTorrent handshake */
  #offer(stream: Stream, initial: Uint8Array): Uint8Array {
    const infoHash = initial.slice(28, 48)
    stream.encryption = EncryptionHandshake.offer({ ...this.#setup, infoHash, initial })
    return stream.encryption.takeOutput()!
  }

  get #setup() {
    return { sha1: this.#sha1, random: this.#options.random, methods: this.#methods }
  }

  #isDialledEncrypted(peer: KnownPeer | undefined): boolean {
    return this.isByPeer ? peer?.isDialledEncrypted === true : this.#options.mode === 'require'
  }

  #hasAgreementsLeft(now: Instant): boolean {
    if (now - this.#countingSince >= MICROSECONDS_PER_SECOND) {
      this.#countingSince = now
      this.#agreementCount = 0
    }
    return this.#agreementCount < LIMITS.keyAgreementsPerSecondMax.value
  }

  #findInfoHash(hash: string): Uint8Array | undefined {
    if (!this.#infoHashes.has(hash)) this.#learn()
    const infoHash = this.#infoHashes.get(hash)
    if (infoHash === undefined) return undefined
    return infoHash === SERVICES || this.#known.has(infoHash) ? fromHex(infoHash) : undefined
  }

  /** Hashes infohashes that are new; each once, so a peer that names nothing we know costs little. */
  #learn(): void {
    const hashed = new Set(this.#infoHashes.values())
    for (const infoHash of [SERVICES, ...this.#known.keys()])
      if (!hashed.has(infoHash))
        this.#infoHashes.set(toHex(hashOfInfoHash(this.#sha1, fromHex(infoHash)!)), infoHash)
  }
}
