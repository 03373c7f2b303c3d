/**
 * How two peers agree on message stream encryption (MSE, also called protocol encryption), from either side:
 * bytes in, bytes out, and in the end the cipher of the connection, or none, and the first bytes of its
 * stream. Who takes in a connection also tells a peer that speaks BitTorrent without encryption from one that
 * begins with a key.
 *
 *     A → B  Ya, PadA
 *     B → A  Yb, PadB
 *     A → B  HASH('req1', S), HASH('req2', SKEY) ^ HASH('req3', S),
 *            ENCRYPT(VC, crypto_provide, len(PadC), PadC, len(IA)), ENCRYPT(IA)
 *     B → A  ENCRYPT(VC, crypto_select, len(PadD), PadD), then the stream by the method selected
 *
 * SKEY is the infohash, S the agreed secret, VC eight zeros, IA the first bytes of A's stream.
 * Invariants: a pad longer than 512 bytes ends it; at most one key is computed; besides what came with the
 * last `push` no more is held than two keys, a pad and an IA, whose length has 16 bits.
 * Source: https://wiki.vuze.com/w/Message_Stream_Encryption
 */
import { concatBytes, equalBytes, readUint16, readUint32, writeUint16, writeUint32 } from '../base/bytes.ts'
import type { Crypto } from '../base/env.ts'
import { fromLatin1 } from '../base/text.ts'
import { isHandshakeStart, PROTOCOL_LENGTH } from '../wire/handshake.ts'
import { AGREED_KEY_LENGTH, KeyAgreement, PRIVATE_KEY_LENGTH } from '../wire/key-agreement.ts'
import { Rc4, StreamCipher } from '../wire/rc4.ts'
import type { DisconnectReason } from './events.ts'

/** How the stream goes on after the handshake: bits of crypto_provide and crypto_select. */
export const STREAM_METHOD = { plain: 1, rc4: 2 } as const

export const PAD_LENGTH_MAX = 512
const VERIFICATION_LENGTH = 8
const HASH_LENGTH = 20

export interface EncryptionSetup {
  readonly sha1: Crypto['sha1']
  /** So many unpredictable bytes. */
  readonly random: (length: number) => Uint8Array
  /** The sum of the methods allowed; plain is preferred when it is one of them, because it costs nothing. */
  readonly methods: number
}

export interface OutgoingSetup extends EncryptionSetup {
  /** The torrent's, as the BitTorrent handshake names it. */
  readonly infoHash: Uint8Array
  /** The first bytes of our stream: the BitTorrent handshake. */
  readonly initial: Uint8Array
}

export interface IncomingSetup extends EncryptionSetup {
  /** A peer without encryption is taken in too. */
  readonly allowsPlainPeers: boolean
  /** The infohash that gives HASH('req2', infohash). */
  readonly findInfoHash: (hash: Uint8Array) => Uint8Array | undefined
}

export interface EncryptionOutcome {
  /** Undefined when the stream goes on as it is. */
  readonly cipher: StreamCipher | undefined
  /** What has come of the other side's stream, in clear. */
  readonly received: Uint8Array
}

/** `wait` for more bytes, go `on` with those at hand, or why it is over. */
type Step = () => 'wait' | 'on' | DisconnectReason

export class EncryptionHandshake {
  /** Set once it has succeeded. */
  outcome: EncryptionOutcome | undefined
  readonly #setup: EncryptionSetup
  #step: Step
  /** Came and not consumed yet. Ours alone, so it is decrypted in place. */
  #pending: Uint8Array = new Uint8Array(0)
  #output: Uint8Array[] = []
  #secret: Uint8Array = new Uint8Array(0)
  /** The end of the pad that is being skipped. */
  #mark: Uint8Array = new Uint8Array(0)
  #encrypting: Rc4 | undefined
  #decrypting: Rc4 | undefined
  #method = 0
  #mayAgree = () => true

  private constructor(setup: EncryptionSetup, first: (handshake: EncryptionHandshake) => Step) {
    this.#setup = setup
    this.#step = first(this)
  }

  /** We dialled. Its first output is there at once. */
  static offer(setup: OutgoingSetup): EncryptionHandshake {
    return new EncryptionHandshake(setup, (handshake) => {
      const keys = handshake.#sendKey()
      return () => handshake.#takeAnswerKey(setup, keys)
    })
  }

  /** We were dialled. */
  static accept(setup: IncomingSetup): EncryptionHandshake {
    return new EncryptionHandshake(setup, (handshake) => () => handshake.#recognise(setup))
  }

  /**
   * Gives the reason to end the connection, if there is one.
   * @param bytes borrowed
   * @param mayAgree asked once by who was dialled, before the costly part; false ends it
   */
  push(bytes: Uint8Array, mayAgree: () => boolean = () => true): DisconnectReason | undefined {
    this.#mayAgree = mayAgree
    this.#pending = concatBytes([this.#pending, bytes])
    for (;;) {
      const result = this.#step()
      if (result === 'wait' || this.outcome !== undefined) return undefined
      if (result !== 'on') return result
    }
  }

  /** What has to be sent, once; undefined for nothing. */
  takeOutput(): Uint8Array | undefined {
    if (this.#output.length === 0) return undefined
    const output = concatBytes(this.#output)
    this.#output = []
    return output
  }

  // The side that dialled.

  #takeAnswerKey(setup: OutgoingSetup, keys: KeyAgreement): ReturnType<Step> {
    if (this.#pending.length < AGREED_KEY_LENGTH) return 'wait'
    if (!this.#agree(keys)) return 'not-bittorrent'
    const torrent = hashOfInfoHash(setup.sha1, setup.infoHash)
    this.#output.push(this.#hash('req1'), xor(torrent, this.#hash('req3')))
    this.#deriveCiphers(setup.infoHash, 'keyA', 'keyB')
    const pad = this.#padLength()
    const offer = new Uint8Array(VERIFICATION_LENGTH + 6 + pad + 2)
    writeUint32(offer, VERIFICATION_LENGTH, setup.methods)
    writeUint16(offer, VERIFICATION_LENGTH + 4, pad)
    writeUint16(offer, offer.length - 2, setup.initial.length)
    this.#sendEncrypted(concatBytes([offer, setup.initial]))
    this.#mark = new Uint8Array(VERIFICATION_LENGTH)
    this.#decrypting!.apply(this.#mark)
    return this.#next(() => this.#skipPad(() => this.#takeSelection()))
  }

  #takeSelection(): ReturnType<Step> {
    const head = this.#takeEncrypted(6)
    if (head === undefined) return 'wait'
    this.#method = readUint32(head, 0)
    const pad = readUint16(head, 4)
    if (this.#method !== STREAM_METHOD.plain && this.#method !== STREAM_METHOD.rc4) return 'not-bittorrent'
    if ((this.#method & this.#setup.methods) === 0) return 'not-encrypted'
    if (pad > PAD_LENGTH_MAX) return 'not-bittorrent'
    return this.#next(() =>
      this.#takeEncrypted(pad) === undefined ? 'wait' : this.#finish(new Uint8Array(0)),
    )
  }

  // The side that was dialled.

  #recognise(setup: IncomingSetup): ReturnType<Step> {
    if (!isHandshakeStart(this.#pending)) return this.#next(() => this.#takeKey(setup))
    if (this.#pending.length < PROTOCOL_LENGTH) return 'wait'
    if (!setup.allowsPlainPeers) return 'not-encrypted'
    this.outcome = { cipher: undefined, received: this.#pending }
    return 'on'
  }

  #takeKey(setup: IncomingSetup): ReturnType<Step> {
    if (this.#pending.length < AGREED_KEY_LENGTH) return 'wait'
    if (!this.#mayAgree()) return 'too-many-peers'
    if (!this.#agree(this.#sendKey())) return 'not-bittorrent'
    this.#mark = this.#hash('req1')
    return this.#next(() => this.#skipPad(() => this.#takeInfoHash(setup)))
  }

  #takeInfoHash(setup: IncomingSetup): ReturnType<Step> {
    const hidden = this.#take(HASH_LENGTH)
    if (hidden === undefined) return 'wait'
    const infoHash = setup.findInfoHash(xor(hidden, this.#hash('req3')))
    if (infoHash === undefined) return 'unknown-torrent'
    this.#deriveCiphers(infoHash, 'keyB', 'keyA')
    return this.#next(() => this.#takeOffer())
  }

  #takeOffer(): ReturnType<Step> {
    const head = this.#takeEncrypted(VERIFICATION_LENGTH + 6)
    if (head === undefined) return 'wait'
    if (head.subarray(0, VERIFICATION_LENGTH).some((byte) => byte !== 0)) return 'not-bittorrent'
    const common = readUint32(head, VERIFICATION_LENGTH) & this.#setup.methods
    const pad = readUint16(head, VERIFICATION_LENGTH + 4)
    if (pad > PAD_LENGTH_MAX) return 'not-bittorrent'
    if (common === 0) return 'not-encrypted'
    this.#method = (common & STREAM_METHOD.plain) === 0 ? STREAM_METHOD.rc4 : STREAM_METHOD.plain
    return this.#next(() => {
      const rest = this.#takeEncrypted(pad + 2)
      if (rest === undefined) return 'wait'
      return this.#next(() => this.#takeInitial(readUint16(rest, pad)))
    })
  }

  #takeInitial(length: number): ReturnType<Step> {
    const initial = this.#takeEncrypted(length)
    if (initial === undefined) return 'wait'
    const pad = this.#padLength()
    const answer = new Uint8Array(VERIFICATION_LENGTH + 6 + pad)
    writeUint32(answer, VERIFICATION_LENGTH, this.#method)
    writeUint16(answer, VERIFICATION_LENGTH + 4, pad)
    this.#sendEncrypted(answer)
    return this.#finish(initial)
  }

  // Both.

  #next(step: Step): 'on' {
    this.#step = step
    return 'on'
  }

  #sendKey(): KeyAgreement {
    const keys = new KeyAgreement(this.#setup.random(PRIVATE_KEY_LENGTH))
    this.#output.push(keys.publicKey, this.#setup.random(this.#padLength()))
    return keys
  }

  #agree(keys: KeyAgreement): boolean {
    const secret = keys.secretWith(this.#take(AGREED_KEY_LENGTH)!)
    if (secret !== undefined) this.#secret = secret.slice()
    return secret !== undefined
  }

  /** The other side's pad ends where the mark begins. */
  #skipPad(then: Step): ReturnType<Step> {
    const { length } = this.#mark
    const last = Math.min(PAD_LENGTH_MAX, this.#pending.length - length)
    for (let at = 0; at <= last; at++) {
      if (!equalBytes(this.#pending.subarray(at, at + length), this.#mark)) continue
      this.#take(at + length)
      return this.#next(then)
    }
    return last === PAD_LENGTH_MAX ? 'not-bittorrent' : 'wait'
  }

  #finish(initial: Uint8Array): 'on' {
    const isEncrypted = this.#method === STREAM_METHOD.rc4
    const cipher = isEncrypted ? new StreamCipher(this.#encrypting!, this.#decrypting!) : undefined
    cipher?.decrypt(this.#pending)
    this.outcome = { cipher, received: concatBytes([initial, this.#pending]) }
    return 'on'
  }

  #take(count: number): Uint8Array | undefined {
    if (this.#pending.length < count) return undefined
    const taken = this.#pending.subarray(0, count)
    this.#pending = this.#pending.subarray(count)
    return taken
  }

  #takeEncrypted(count: number): Uint8Array | undefined {
    const taken = this.#take(count)
    if (taken !== undefined) this.#decrypting!.apply(taken)
    return taken
  }

  #sendEncrypted(bytes: Uint8Array): void {
    this.#encrypting!.apply(bytes)
    this.#output.push(bytes)
  }

  #deriveCiphers(infoHash: Uint8Array, ours: string, theirs: string): void {
    this.#encrypting = new Rc4(this.#hash(ours, infoHash))
    this.#decrypting = new Rc4(this.#hash(theirs, infoHash))
  }

  /** HASH(name, S) or HASH(name, S, infohash). */
  #hash(name: string, infoHash: Uint8Array = new Uint8Array(0)): Uint8Array {
    return this.#setup.sha1(concatBytes([fromLatin1(name), this.#secret, infoHash]))
  }

  #padLength(): number {
    return readUint16(this.#setup.random(2), 0) % (PAD_LENGTH_MAX + 1)
  }
}

/** HASH('req2', infohash), by which a peer says which torrent it comes for. */
export function hashOfInfoHash(sha1: Crypto['sha1'], infoHash: Uint8Array): Uint8Array {
  return sha1(concatBytes([fromLatin1('req2'), infoHash]))
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ b[i]!)
}
