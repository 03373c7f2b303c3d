/**
 * One TCP connection from dial or accept to its end: before the handshake only bytes are gathered, afterwards
 * a session reads them. Invariant: before there is a session at most the handshake and
 * `heldBytesMax` bytes after it are held.
 */
import { concatBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { type Instant, seconds } from '../base/time.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { HANDSHAKE_LENGTH, isHandshakeStart } from '../wire/handshake.ts'
import type { DisconnectReason } from './events.ts'
import type { PeerSession } from './peer-session.ts'
import type { Torrent } from './torrent.ts'

/** BEP 3: keep-alives are sent every two minutes. */
const KEEP_ALIVE_SECONDS = 100

export class Connection {
  readonly id: number
  readonly endpoint: Endpoint
  /** The torrent an outgoing connection is for; an incoming one names it in its handshake. */
  torrent: Torrent | undefined
  session: PeerSession | undefined
  isOpen: boolean
  /** As agreed in the handshakes; a magnet link's torrent may learn of its v2 infohash later. */
  speaksV2: boolean | undefined
  /** Dial or handshake must be over by then. */
  deadline: Instant
  /** What came after a handshake that has to wait. Bounded by `heldBytesMax`. */
  #held: Uint8Array = new Uint8Array(0)
  /** Its peer was greeted before, by a torrent without metadata. */
  wasHandedOver = false
  readonly #handshake = new Uint8Array(HANDSHAKE_LENGTH)
  #handshakeLength = 0

  constructor(
    id: number,
    endpoint: Endpoint,
    torrent: Torrent | undefined,
    isOpen: boolean,
    deadline: Instant,
  ) {
    this.id = id
    this.endpoint = endpoint
    this.torrent = torrent
    this.isOpen = isOpen
    this.deadline = deadline
  }

  get isOutgoing(): boolean {
    return this.id > 0
  }

  /** What it was too slow with, once the deadline has passed. */
  get #lateReason(): DisconnectReason {
    if (this.session !== undefined) return 'stopped'
    if (!this.isOpen) return 'connect-timeout'
    return this.isOutgoing || this.handshake === undefined ? 'handshake-timeout' : 'wait-timeout'
  }

  /** We said our handshake and have not heard a byte. */
  get isUnanswered(): boolean {
    return this.isOutgoing && this.isOpen && this.#handshakeLength === 0
  }

  /** The 68 bytes once they are all there. */
  get handshake(): Uint8Array | undefined {
    return this.#handshakeLength === HANDSHAKE_LENGTH ? this.#handshake : undefined
  }

  /** False as soon as one byte is not BitTorrent's. */
  get isBitTorrent(): boolean {
    return isHandshakeStart(this.#handshake.subarray(0, this.#handshakeLength))
  }

  /** Keeps bytes that cannot be read yet; false when they are too many. */
  hold(bytes: Uint8Array): boolean {
    if (this.#held.length + bytes.length > LIMITS.heldBytesMax.value) return false
    this.#held = concatBytes([this.#held, bytes])
    return true
  }

  /**
   * The torrent has its metadata: a new session is to begin, which hears once more what the peer said. Until
   * then the peer waits, as long as the files are being checked.
   */
  handOver(torrent: Torrent): void {
    this.torrent = torrent
    if (this.isOutgoing) torrent.dialingCount++
    const { session } = this
    if (session === undefined) return
    this.session = undefined
    this.wasHandedOver = true
    this.deadline = Infinity as Instant
    this.#held = concatBytes([session.early?.frames() ?? this.#held, session.reader.unfinished()])
  }

  /** Gives back what was kept. */
  release(): Uint8Array {
    const held = this.#held
    this.#held = new Uint8Array(0)
    return held
  }

  /** Takes what belongs to the handshake and returns the bytes after it. */
  gather(bytes: Uint8Array): Uint8Array {
    const taken = Math.min(bytes.length, HANDSHAKE_LENGTH - this.#handshakeLength)
    this.#handshake.set(bytes.subarray(0, taken), this.#handshakeLength)
    this.#handshakeLength += taken
    return bytes.subarray(taken)
  }

  /** Why it has to end now: it is late, or has been silent for too long. */
  overdue(now: Instant, idleTimeoutSeconds: number): DisconnectReason | undefined {
    if (now >= this.deadline) return this.#lateReason
    const isSilent =
      this.session !== undefined && now - this.session.lastReceivedAt > seconds(idleTimeoutSeconds)
    return isSilent ? 'idle-timeout' : undefined
  }

  /** Says something when nothing was said for long. */
  keepAlive(now: Instant): void {
    const { session } = this
    if (session !== undefined && now - session.lastSentAt > seconds(KEEP_ALIVE_SECONDS))
      session.writer.keepAlive()
  }
}
