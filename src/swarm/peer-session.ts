/**
 * One peer, from the end of the handshake to the end of the connection: who chokes whom, what it has, what is
 * requested in each direction, and the protocol's rules about when each message may come. It decides nothing
 * about pieces: it tells its host, the torrent, which does. BEP 3, 6, 10, 21.
 * Invariant: `outstanding` holds exactly the blocks requested from this peer and not yet answered.
 */
import { Bitfield } from '../base/bitfield.ts'
import type { CopyBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { RateMeter } from '../base/rate-meter.ts'
import { type Fault, fail } from '../base/result.ts'
import type { Instant } from '../base/time.ts'
import { type Endpoint, formatEndpoint } from '../wire/endpoint.ts'
import { decodeExtensionHandshake, type ExtensionHandshake } from '../wire/extension-handshake.ts'
import { FrameReader, type FrameSink } from '../wire/frame-reader.ts'
import type { Handshake } from '../wire/handshake.ts'
import { decodeMetadataMessage, UT_METADATA_ID } from '../wire/metadata-messages.ts'
import { type BlockRange, MESSAGE, MessageWriter, readBlockRange } from '../wire/peer-messages.ts'
import type { DescriptionHost } from './description.ts'
import { EarlyMessages } from './early-messages.ts'
import type { DisconnectReason } from './events.ts'
import { OutstandingBlocks } from './outstanding-blocks.ts'
import type { GatheringPiece } from './piece-tracker.ts'
import { RequestQueue } from './request-queue.ts'
import { RequestWindow } from './request-window.ts'
import { WalkBudget } from './walk-budget.ts'

/**
 * What a session asks of and tells to its torrent. All calls are synchronous and must not close the session.
 */
export interface SessionHost {
  /** 0 while it is not known, because the metadata is still to come (BEP 9). */
  readonly pieceCount: number
  readonly blockLength: number
  /** Copies blocks to where they are gathered. */
  readonly copy: CopyBytes
  /** Validates the piece range as far as the torrent knows it. */
  isBlock(piece: number, begin: number, length: number): boolean
  /** The same for several whole blocks. */
  isBlocks(piece: number, begin: number, length: number): boolean
  peerBitfield(session: PeerSession, before: Bitfield): void
  peerHas(session: PeerSession, piece: number): void
  peerChoked(session: PeerSession): void
  peerUnchoked(session: PeerSession): void
  peerInterest(session: PeerSession): void
  peerRequests(session: PeerSession, piece: number, begin: number, length: number): void
  peerCancels(session: PeerSession, range: BlockRange): void
  peerRejects(session: PeerSession, range: BlockRange): void
  /** Sets the reader's target when the block is wanted. */
  blockStarts(session: PeerSession, piece: number, begin: number, length: number): void
  blockEnds(session: PeerSession, piece: number, begin: number, length: number): void
  peerExtensions(session: PeerSession, handshake: ExtensionHandshake): void
  /** A message of BEP 10 under an id of ours. */
  peerExtended(session: PeerSession, id: number, payload: Uint8Array): Fault | undefined
  /** For what peers say about the torrent itself. */
  readonly description: DescriptionHost
  /** Its writer, empty until now, is not any more. */
  hasToSend(session: PeerSession): void
}

const REQUEST_QUEUE_DEFAULT = 250

export class PeerSession implements FrameSink {
  /** The connection's id. */
  readonly id: number
  readonly endpoint: Endpoint
  /** The endpoint as text. */
  readonly address: string
  readonly isOutgoing: boolean
  /** Where others can dial it, once that is known: we dialled it there, or it said so (BEP 10). */
  listensAt: Endpoint | undefined
  readonly peerId: Uint8Array
  readonly supportsFast: boolean
  readonly supportsExtensions: boolean
  /** Of this connection, not of the program at the other end (`greetings.ts`). */
  readonly supportsV2: boolean
  readonly connectedAt: Instant
  readonly reader: FrameReader
  readonly writer: MessageWriter
  readonly downloaded = new RateMeter()
  readonly uploaded = new RateMeter()
  readonly window: RequestWindow
  /** What it said while the number of pieces is not known. */
  readonly early: EarlyMessages | undefined
  /** Requests to be served, in order. Bounded by `requestsQueuedPerPeerMax`. */
  readonly requests = new RequestQueue(LIMITS.requestsQueuedPerPeerMax.value)
  /** What it was asked for, oldest first. Bounded by `requestsOutstandingPerPeerMax`. */
  readonly outstanding = new OutstandingBlocks()
  /** Pieces this peer owns while they are gathered. Bounded by `unverifiedBytesMax`. */
  readonly gathering = new Set<GatheringPiece>()
  /** The owned piece whose blocks are being requested. */
  current: GatheringPiece | undefined
  /** The piece of the blocks that are streaming in, when they are wanted. */
  arriving: GatheringPiece | undefined
  /** The first of these blocks, and how many there are in the message. */
  arrivingBlock = -1
  arrivingCount = 0
  /** An owned piece besides `current` may have free blocks again; false for certain. */
  hasFreed = false
  /** The picker's `openings` when it had nothing to start for this peer; -1 once the peer has more. */
  nothingAtOpenings = -1
  /** The piece to start when there is room for it; -1 for none. */
  waitingFor = -1
  /** Pieces it refused, less the pieces that it said to have since. */
  withheldCount = 0
  /** Pieces it has that we want and do not have. */
  neededCount = 0
  /** Whole pieces it gave us that verified. */
  verifiedPieces = 0
  /** Nothing of it was right yet (`probation.ts`). */
  isUntried = true
  /** The piece whose block hashes have to be known before it is asked for more. */
  awaits: GatheringPiece | undefined
  /** Blocks of it that were found right while it was untried. */
  provenBlocks = 0
  have: Bitfield
  /** What it said about itself over BEP 10. */
  extensions: ExtensionHandshake | undefined
  /** Neighbouring blocks that may be asked of it, and sent to it, in one message. */
  blocksPerMessage = 1
  amChoking = true
  amInterested = false
  peerChoking = true
  peerInterested = false
  lastReceivedAt: Instant
  lastSentAt: Instant
  /** When the oldest outstanding request was sent or the last block came, whichever is later. */
  lastBlockAt: Instant
  /** Set by the torrent while a message is handled: the connection is closed once the handling is over. */
  ending: DisconnectReason | undefined
  /** Bytes read for it or waiting in its socket. */
  uploadBytesInFlight = 0
  readonly #host: SessionHost
  readonly #walks: WalkBudget

  constructor(
    id: number,
    endpoint: Endpoint,
    isOutgoing: boolean,
    handshake: Handshake,
    host: SessionHost,
    now: Instant,
  ) {
    this.id = id
    this.endpoint = endpoint
    this.address = formatEndpoint(endpoint)
    this.isOutgoing = isOutgoing
    this.listensAt = isOutgoing ? endpoint : undefined
    this.peerId = handshake.peerId
    this.supportsFast = handshake.supportsFast
    this.supportsExtensions = handshake.supportsExtensions
    this.supportsV2 = handshake.supportsV2
    this.connectedAt = this.lastReceivedAt = this.lastSentAt = this.lastBlockAt = now
    this.#host = host
    this.#walks = new WalkBudget(now)
    this.writer = new MessageWriter(() => host.hasToSend(this))
    this.reader = new FrameReader(this, host.pieceCount, host.copy)
    this.window = new RequestWindow(host.blockLength)
    this.early = host.pieceCount === 0 ? new EarlyMessages() : undefined
    this.have = new Bitfield(host.pieceCount)
  }

  get isSeed(): boolean {
    return this.have.isFull
  }

  /** Requests it is willing to keep; clients that do not say take about 250. */
  get requestQueueLength(): number {
    return this.extensions?.requestQueueLength ?? REQUEST_QUEUE_DEFAULT
  }

  /** How long it will take for all it owes. */
  get waitSeconds(): number {
    return this.window.waitSeconds(this.outstanding.size)
  }

  /** The peer will not download (BEP 21), or has everything. */
  get isUploadOnly(): boolean {
    return this.isSeed || this.extensions?.isUploadOnly === true
  }

  /**
   * First message to the peer: what we have.
   * @param hasToldNone it was told already that we have nothing, when that was all we knew
   */
  sendHave(have: Bitfield, hasToldNone = false): void {
    if (hasToldNone) for (const piece of have.ones()) this.writer.number(MESSAGE.have, piece)
    else if (this.supportsFast && have.isFull) this.writer.plain(MESSAGE.haveAll)
    else if (this.supportsFast && have.count === 0) this.writer.plain(MESSAGE.haveNone)
    else if (have.count > 0) this.writer.bitfield(have.bytes)
  }

  setInterested(isInterested: boolean): void {
    this.amInterested = isInterested
    this.writer.plain(isInterested ? MESSAGE.interested : MESSAGE.notInterested)
  }

  /**
   * Requests still waiting when the peer is choked are refused (BEP 6) or, without that
   * extension, silently dropped.
   */
  setChoking(isChoking: boolean): void {
    if (isChoking === this.amChoking) return
    this.amChoking = isChoking
    this.writer.plain(isChoking ? MESSAGE.choke : MESSAGE.unchoke)
    if (!isChoking) return
    for (let index = 0; this.supportsFast && index < this.requests.size; index++)
      this.reject(this.requests.at(index))
    this.requests.drop(this.requests.size)
  }

  reject(range: BlockRange): void {
    if (this.supportsFast) this.writer.block(MESSAGE.reject, range.piece, range.begin, range.length)
  }

  onKeepAlive(): void {
    // Any byte counts as a sign of life; the torrent noted the time already.
  }

  onMessage(type: number, payload: Uint8Array): Fault | undefined {
    if (this.early !== undefined && type < MESSAGE.extended) return this.early.record(type, payload)
    switch (type) {
      case MESSAGE.choke:
        if (!this.peerChoking) {
          this.peerChoking = true
          this.#host.peerChoked(this)
        }
        return undefined
      case MESSAGE.unchoke:
        if (this.peerChoking) {
          this.peerChoking = false
          this.#host.peerUnchoked(this)
        }
        return undefined
      case MESSAGE.interested:
      case MESSAGE.notInterested:
        return this.#interest(type === MESSAGE.interested)
      case MESSAGE.bitfield:
        return this.#bitfield(Bitfield.fromBytes(payload, this.#host.pieceCount))
      case MESSAGE.haveAll:
      case MESSAGE.haveNone:
        return this.#haveAllOrNone(type === MESSAGE.haveAll)
      case MESSAGE.cancel:
        this.#host.peerCancels(this, readBlockRange(payload))
        return undefined
      case MESSAGE.reject:
        return this.#rejected(readBlockRange(payload))
      case MESSAGE.extended:
        return this.#extended(payload)
      case MESSAGE.hashRequest:
        return this.#host.description.peerAsksHashes(this, payload)
      case MESSAGE.hashes:
        return this.#host.description.peerSendsHashes(this, payload)
      case MESSAGE.hashReject:
        return this.#host.description.peerRefusesHashes(this, payload)
      default:
        // suggest, allowed fast, port and types of the future ask for nothing.
        return undefined
    }
  }

  onHave(piece: number): Fault | undefined {
    if (this.early !== undefined) return this.early.recordHave(piece)
    if (piece >= this.#host.pieceCount) return broken(`have of piece ${piece}, which does not exist`)
    if (this.have.has(piece)) return undefined
    // What it refuses and has again, without end, would be searched for without end.
    if (this.withheldCount > 0) {
      this.withheldCount--
      if (!this.#mayWalk()) return undefined
    }
    this.have.set(piece)
    // Who has everything is counted among the seeds, which takes a walk.
    if (this.have.isFull && !this.#mayWalk()) return broken('the last piece again and again')
    this.#host.peerHas(this, piece)
    return undefined
  }

  onRequest(piece: number, begin: number, length: number): Fault | undefined {
    if (this.early !== undefined) return undefined
    const { blockLength } = this.#host
    const isLong = length > blockLength && length <= LIMITS.longMessageBytesMax.value
    if (isLong ? !this.#host.isBlocks(piece, begin, length) : !this.#host.isBlock(piece, begin, length))
      return broken(`request of ${length} bytes at ${piece}:${begin}`)
    for (let at = 0; at < length; at += blockLength)
      this.#host.peerRequests(this, piece, begin + at, Math.min(blockLength, length - at))
    return undefined
  }

  onBlockStart(piece: number, begin: number, length: number): Fault | undefined {
    if (this.early === undefined) this.#host.blockStarts(this, piece, begin, length)
    return undefined
  }

  onBlockEnd(piece: number, begin: number, length: number): Fault | undefined {
    if (this.early === undefined) this.#host.blockEnds(this, piece, begin, length)
    return undefined
  }

  #interest(isInterested: boolean): undefined {
    if (isInterested === this.peerInterested) return undefined
    this.peerInterested = isInterested
    this.#host.peerInterest(this)
    return undefined
  }

  /** aria2 sends its bitfield again instead of single haves, so a later one replaces what was known. */
  #bitfield(have: Bitfield | undefined): Fault | undefined {
    if (have === undefined) return broken('bitfield with spare bits set')
    if (!this.#mayWalk()) return broken('bitfields again and again')
    const before = this.have
    this.have = have
    this.#host.peerBitfield(this, before)
    return undefined
  }

  #mayWalk(): boolean {
    return this.#walks.take(this.lastReceivedAt, this.#host.pieceCount)
  }

  #haveAllOrNone(isAll: boolean): Fault | undefined {
    if (!this.supportsFast) return broken('fast extension message without the extension')
    // aria2 says so again when it has fetched the last pieces, instead of single haves.
    if (isAll && this.have.isFull) return undefined
    const have = new Bitfield(this.#host.pieceCount)
    if (isAll) have.fill()
    return this.#bitfield(have)
  }

  #rejected(range: BlockRange): Fault | undefined {
    if (!this.supportsFast) return broken('fast extension message without the extension')
    this.#host.peerRejects(this, range)
    return undefined
  }

  #extended(payload: Uint8Array): Fault | undefined {
    if (payload.length === 0) return broken('extension message without an id')
    const body = payload.subarray(1)
    if (payload[0] === UT_METADATA_ID) {
      const message = decodeMetadataMessage(body)
      if (!message.ok) return message.error
      return message.value && this.#host.description.peerMetadata(this, message.value)
    }
    if (payload[0] !== 0) return this.#host.peerExtended(this, payload[0]!, body)
    const handshake = decodeExtensionHandshake(body)
    if (!handshake.ok) return handshake.error
    this.early?.recordHandshake(body)
    this.extensions = handshake.value
    const { listenPort, longMessageBytes = 0 } = handshake.value
    const taken = Math.min(longMessageBytes, LIMITS.longMessageBytesMax.value)
    this.blocksPerMessage = Math.max(1, Math.floor(taken / this.#host.blockLength))
    if (listenPort !== undefined) this.listensAt ??= { host: this.endpoint.host, port: listenPort }
    this.#host.peerExtensions(this, handshake.value)
    return undefined
  }
}

function broken(message: string): Fault {
  return fail('wire/protocol-error', message).error
}
