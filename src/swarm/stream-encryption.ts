/**
 * Which connections are encrypted (`--encryption`), for all torrents: who is dialled how, what is taken in,
 * and the ciphers of connections whose stream is encrypted.
 * - `off`: dials and takes in plain connections only.
 * - `prefer`: takes in both; dials plain, because that costs nothing and everybody who may speaks it, and
 *   dials encrypted who hangs up on that.
 * - `require`: dials and takes in only connections whose whole stream is encrypted.
 * Invariants: a cipher lives as long as its connection; at most `keyAgreementsPerSecondMax` keys a second are
 * computed for others.
 */
import { fromHex, toHex } from '../base/bytes.ts'
import type { Crypto } from '../base/env.ts'
import { LIMITS } from '../base/limits.ts'
import { type Instant, MICROSECONDS_PER_SECOND } from '../base/time.ts'
import type { StreamCipher } from '../wire/rc4.ts'
import type { Connection } from './connection.ts'
import type { SwarmOutput } from './effects.ts'
import { EncryptionHandshake, hashOfInfoHash, STREAM_METHOD } from './encryption-handshake.ts'
import type { DisconnectReason } from './events.ts'
import type { KnownPeer } from './peer-list.ts'

export type EncryptionMode = 'off' | 'prefer' | 'require'

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

const NOTHING = new Uint8Array(0)
const OFF: EncryptionOptions = { mode: 'off', random: (length) => new Uint8Array(length) }

export class StreamEncryption {
  readonly #options: EncryptionOptions
  readonly #sha1: Crypto['sha1']
  readonly #known: KnownHashes
  readonly #emit: (output: SwarmOutput) => void
  readonly #methods: number
  /** By connection: those whose stream is encrypted. */
  readonly #ciphers = new Map<number, StreamCipher>()
  /** HASH('req2', infohash) to infohash, both as hex digits; made when it is needed. */
  readonly #infoHashes = new Map<string, string>()
  #countingSince: Instant
  #agreementCount = 0

  /** @param emit hears what is to be sent while two sides agree */
  constructor(
    now: Instant,
    options: EncryptionOptions = OFF,
    sha1: Crypto['sha1'],
    known: KnownHashes,
    emit: (output: SwarmOutput) => void,
  ) {
    this.#countingSince = now
    this.#options = options
    this.#sha1 = sha1
    this.#known = known
    this.#emit = emit
    this.#methods = STREAM_METHOD.rc4 | (options.mode === 'require' ? 0 : STREAM_METHOD.plain)
  }

  /** False when too many keys were computed, so that the peer has to wait for its dial. */
  mayDial(now: Instant, peer: KnownPeer): boolean {
    return !this.#isDialledEncrypted(peer) || this.#hasAgreementsLeft(now)
  }

  /**
   * We are connected: gives the first bytes to send.
   * @param initial the BitTorrent handshake
   */
  begin(now: Instant, connection: Connection, peer: KnownPeer | undefined, initial: Uint8Array): Uint8Array {
    if (!this.#isDialledEncrypted(peer)) return initial
    if (this.#hasAgreementsLeft(now)) this.#agreementCount++
    const infoHash = initial.slice(28, 48)
    connection.encryption = EncryptionHandshake.offer({ ...this.#setup, infoHash, initial })
    return connection.encryption.takeOutput()!
  }

  /** Somebody is connected to us. */
  expect(connection: Connection): void {
    if (this.#options.mode === 'off') return
    connection.encryption = EncryptionHandshake.accept({
      ...this.#setup,
      allowsPlainPeers: this.#options.mode !== 'require',
      findInfoHash: (hash) => this.#findInfoHash(toHex(hash)),
    })
  }

  /**
   * Bytes came on a connection without a session: gives those of its stream in clear, none while the two
   * sides are still agreeing, or the reason to end it.
   */
  read(now: Instant, connection: Connection, bytes: Uint8Array): Uint8Array | DisconnectReason {
    const { encryption } = connection
    if (encryption === undefined) return bytes
    const failure = encryption.push(bytes, () => this.#hasAgreementsLeft(now) && ++this.#agreementCount > 0)
    if (failure !== undefined) return failure
    const output = encryption.takeOutput()
    if (output !== undefined) this.#emit({ kind: 'send', connection: connection.id, bytes: output })
    if (encryption.outcome === undefined) return NOTHING
    const { cipher, received } = encryption.outcome
    connection.encryption = undefined
    connection.cipher = cipher
    if (cipher !== undefined) this.#ciphers.set(connection.id, cipher)
    return received
  }

  /** Encrypts, in place, what goes out on a connection whose stream is encrypted. */
  seal(output: SwarmOutput): void {
    // One look for all others, so that plain connections cost nothing.
    if (this.#ciphers.size > 0 && output.kind === 'send')
      this.#ciphers.get(output.connection)?.encrypt(output.bytes)
  }

  forget(connection: number): void {
    this.#ciphers.delete(connection)
  }

  /** A connection we dialled ended before the other side said hello: was it for the way we did? */
  isRefusal(connection: Connection, reason: DisconnectReason): boolean {
    if (!connection.isUnanswered) return false
    const isEncrypted = connection.encryption !== undefined && this.isByPeer && reason !== 'stopped'
    return isEncrypted || reason === 'remote-closed' || reason === 'connection-reset'
  }

  /** Each peer decides whether it is dialled with or without encryption. */
  get isByPeer(): boolean {
    return this.#options.mode === 'prefer'
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
    return infoHash !== undefined && this.#known.has(infoHash) ? fromHex(infoHash) : undefined
  }

  /** Hashes infohashes that are new; each once, so a peer that names nothing we know costs little. */
  #learn(): void {
    const hashed = new Set(this.#infoHashes.values())
    for (const infoHash of this.#known.keys())
      if (!hashed.has(infoHash))
        this.#infoHashes.set(toHex(hashOfInfoHash(this.#sha1, fromHex(infoHash)!)), infoHash)
  }
}
