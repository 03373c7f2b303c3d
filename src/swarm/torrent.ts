/**
 * One torrent: the wiring between its sessions, pieces, picker, downloader, uploader,
 * choker, peer list and announcer.
 * Each of those decides; this file only tells them what happened and passes on what they say.
 * Invariant: `have` goes out only after a piece is verified and written.
 */
import type { Bitfield } from '../base/bitfield.ts'
import type { CopyBytes } from '../base/bytes.ts'
import type { Env } from '../base/env.ts'
import { RateMeter } from '../base/rate-meter.ts'
import type { Fault, Result } from '../base/result.ts'
import { earliest, type Instant, MICROSECONDS_PER_SECOND } from '../base/time.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { ExtensionHandshake } from '../wire/extension-handshake.ts'
import { handshakeHash } from '../wire/metainfo.ts'
import type { BlockRange } from '../wire/peer-messages.ts'
import { rebuiltInfoHash } from '../wire/rebuilt-infohash.ts'
import type { Announcements } from './announcements.ts'
import { Blame } from './blame.ts'
import { clientName, peerIdText } from './client-name.ts'
import { type DescriptionHost, DescriptionServer } from './description.ts'
import { Downloader } from './downloader.ts'
import type { PieceDigests, SwarmOutput } from './effects.ts'
import type { DisconnectReason, SwarmEvent } from './events.ts'
import { FailedPieces } from './failed-pieces.ts'
import { Geometry } from './geometry.ts'
import { HaveNews } from './have-news.ts'
import { Holdings } from './holdings.ts'
import { Introductions } from './introductions.ts'
import { CONTENT_GONE, INCONSISTENT_HYBRID, Pause } from './pause.ts'
import { PeerExchange } from './peer-exchange.ts'
import { PeerList } from './peer-list.ts'
import type { PeerSession, SessionHost } from './peer-session.ts'
import { Penalties } from './penalties.ts'
import { PiecePicker } from './piece-picker.ts'
import { mainContributor, PieceTracker } from './piece-tracker.ts'
import { announcementsFor } from './torrent-announcements.ts'
import type { TorrentCore } from './torrent-core.ts'
import type { TorrentOptions } from './torrent-options.ts'
import type { TorrentSurroundings } from './torrent-surroundings.ts'
import { UploadSlots } from './upload-slots.ts'
import { Uploader } from './uploader.ts'
import { WebSeeds } from './web-seeds.ts'

export type TorrentPhase = 'checking' | 'active' | 'paused' | 'stopping'

export class Torrent implements SessionHost {
  readonly core: TorrentCore
  readonly peers: PeerList
  readonly introductions: Introductions
  readonly exchange: PeerExchange
  readonly downloader: Downloader
  readonly uploader: Uploader
  readonly webSeeds: WebSeeds
  readonly announcer: Announcements
  /** When the announcer wants to be called, as of its last visit. */
  announcesAt: Instant | undefined
  description: DescriptionHost
  readonly #server: DescriptionServer
  /** By which some peers know a hybrid; null for others, and for private torrents, which stay out of it. */
  readonly rebuiltInfoHash: Uint8Array | null
  phase: TorrentPhase = 'checking'
  /** Connections being opened. */
  dialingCount = 0
  /** The last announces after a stop are answered or given up. */
  hasLeftTrackers = false
  /** When it had nothing left to fetch. */
  seedingSince: Instant
  readonly #around: TorrentSurroundings
  readonly #holdings: Holdings
  readonly #news: HaveNews
  readonly #slots: UploadSlots
  readonly rest: Pause
  readonly #penalties: Penalties
  readonly #failed: FailedPieces
  #now: Instant
  #startedAt: Instant
  #wasComplete = false
  #fillCount = 0

  /** @param before the same torrent without its metadata: addresses and trackers are taken over */
  constructor(
    now: Instant,
    id: number,
    options: TorrentOptions,
    env: Env,
    around: TorrentSurroundings,
    before?: Torrent,
  ) {
    const geometry = new Geometry(options.metainfo, around.blockLength)
    const pieces = new PieceTracker(geometry, around.buffers)
    this.#now = this.#startedAt = this.seedingSince = now
    this.#around = around
    this.core = {
      id,
      options,
      env,
      geometry,
      pieces,
      blame: new Blame((bytes) => env.crypto.sha1(bytes)),
      picker: new PiecePicker(geometry.pieceCount, options.order, env.prng.fork('picker')),
      sessions: new Map(),
      downloaded: new RateMeter(),
      uploaded: new RateMeter(),
      emit: (output: SwarmOutput) => around.emit(output),
    }
    this.peers =
      before?.peers ?? new PeerList(env.prng.fork('peers'), (endpoint) => around.own.priorityOf(endpoint))
    this.introductions = new Introductions(this.peers, around.own)
    this.exchange = new PeerExchange(this.core, this.introductions)
    this.#holdings = new Holdings(this.core, () => this.isDownloading)
    this.downloader = new Downloader(
      this.core,
      this.#holdings,
      around.downloadBudget,
      around.requestTimeoutSeconds,
    )
    this.uploader = new Uploader(this.core, around.uploadBudget, around.frames, around.uploadDelay)
    this.#news = new HaveNews(this.core)
    this.#slots = new UploadSlots(this.core, now)
    this.webSeeds = new WebSeeds(now, this.core, this.downloader, around, () => this.isDownloading)
    this.rest = new Pause(this.core, this.downloader, this.#holdings, this.#slots, this.webSeeds)
    this.#penalties = new Penalties(this.core, this.peers, this.downloader, this.webSeeds, (session) =>
      around.close(session.id, 'banned'),
    )
    this.#failed = new FailedPieces(this.core, this.#penalties, this.downloader, {
      openPiece: (piece) => this.#openPiece(piece),
      fillAll: (at) => this.fillAll(at),
    })
    this.#server = new DescriptionServer(
      this.core,
      around.buffers.memory,
      () => this.#now,
      this.#failed.fetch,
      this.#penalties,
    )
    this.description = this.#server
    this.rebuiltInfoHash = options.metainfo.private ? null : rebuiltInfoHash(options.metainfo, env.crypto)
    this.announcer = announcementsFor(this, around, before)
    if (options.selectedFiles !== undefined) pieces.selectFiles(options.selectedFiles)
  }

  get pieceCount(): number {
    return this.core.geometry.pieceCount
  }

  /** 20 bytes, as in handshakes and announces. */
  get infoHash(): Uint8Array {
    return handshakeHash(this.core.options.metainfo)
  }

  get blockLength(): number {
    return this.core.geometry.blockLength
  }

  get copy(): CopyBytes {
    return this.#around.buffers.memory.copy
  }

  get isComplete(): boolean {
    return this.core.pieces.isComplete
  }

  /** There is something to fetch. */
  get isDownloading(): boolean {
    return this.phase === 'active' && !this.isComplete && this.core.options.role === 'download'
  }

  get leftBytes(): number {
    return this.core.pieces.leftBytes
  }

  get wantedBytes(): number {
    return this.core.pieces.wantedBytes
  }

  /** Connected peers that have something we want and lack. */
  get usefulPeerCount(): number {
    return this.#holdings.usefulCount
  }

  // What lies on disk.

  checked(now: Instant, found: Iterable<number>): void {
    if (this.phase !== 'checking') return
    this.#now = this.#startedAt = this.seedingSince = now
    for (const piece of found) this.core.pieces.markHave(piece)
    for (const piece of this.core.pieces.have.zeros()) this.#openPiece(piece)
    this.#wasComplete = this.isComplete
    this.phase = 'active'
    this.announcer.handle(now, { kind: 'start' })
    this.webSeeds.fill(now)
  }

  /** No more is fetched or dialled; peers and trackers are left. */
  stop(now: Instant): void {
    this.announcer.handle(now, { kind: 'stop' })
    this.webSeeds.halt()
    this.phase = 'stopping'
  }

  lost(now: Instant, pieces: readonly number[]): void {
    this.#now = now
    for (const piece of pieces) {
      this.core.pieces.lose(piece)
      this.#openPiece(piece)
    }
    this.#wasComplete = this.isComplete
    this.announcer.handle(now, { kind: 'pieces-changed', areLost: true })
    this.peers.reconsiderSeeds(now)
    this.#holdings.recountAll()
    this.fillAll(now)
  }

  /** Pieces that a seed had lost are right on disk again. */
  found(now: Instant, pieces: readonly number[]): void {
    if (this.core.options.role === 'download') return
    for (const piece of pieces) {
      if (this.core.pieces.have.has(piece)) continue
      this.core.pieces.markHave(piece)
      this.#news.add(now, piece)
    }
    this.#wasComplete = this.isComplete
  }

  pause(fault: Fault): void {
    if (this.phase !== 'active' && this.phase !== 'paused') return
    this.phase = 'paused'
    this.rest.begin(fault)
  }

  resume(now: Instant): void {
    if (this.phase !== 'paused') return
    this.phase = 'active'
    this.rest.end()
    this.fillAll(now)
  }

  pieceHashed(now: Instant, piece: number, result: Result<PieceDigests>): void {
    this.#now = now
    const checked = this.core.pieces.checking.get(piece)
    if (checked === undefined) return
    if (!result.ok) return this.#giveBack(piece, result.error)
    const verdict = this.downloader.judge(piece, result.value)
    if (verdict === 'inconsistent') this.#giveBack(piece, INCONSISTENT_HYBRID)
    else if (verdict === 'right') {
      const bytes = this.core.pieces.bufferOf(checked)
      this.core.emit({ kind: 'write-piece', torrent: this.core.id, piece, bytes })
      this.#penalties.pieceIsRight(checked)
    } else this.#failed.add(now, checked)
  }

  blocksHashed(now: Instant, id: number, result: Result<Uint8Array>): void {
    this.#now = now
    if (id < 0) this.#server.blockHashes.blocksHashed(id, result)
    else this.#failed.trials.blocksHashed(now, id, result)
  }

  pieceWritten(now: Instant, piece: number, fault: Fault | undefined): void {
    this.#now = now
    const written = this.core.pieces.checking.get(piece)
    if (written === undefined) return
    if (fault !== undefined) return this.#giveBack(piece, fault)
    this.core.pieces.confirm(piece)
    const from = mainContributor(written)
    this.#penalties.acquit(written)
    this.emit({ event: 'piece-verified', piece, from })
    this.#holdings.verified(piece)
    this.#news.add(now, piece)
    this.announcer.handle(now, { kind: 'pieces-changed', areLost: false })
    for (const session of this.core.sessions.values()) if (session.address === from) session.verifiedPieces++
    this.#failed.verified(written)
    this.webSeeds.verified(from)
    if (this.isComplete && !this.#wasComplete) this.#completed(now)
  }

  /** A piece we thought we had cannot be read: not offered any more, and fetched again by a download. */
  readDone(now: Instant, read: number, fault: Fault | undefined): void {
    this.#now = now
    const reader = read < 0 ? this.#server.blockHashes : this.uploader
    const piece = reader.readDone(now, read, fault === undefined)
    if (piece === undefined || fault === undefined || !this.core.pieces.have.has(piece)) return
    if (fault.code === CONTENT_GONE) return this.pause(fault)
    this.emit({ event: 'piece-unreadable', piece, code: fault.code, message: fault.message })
    this.lost(now, [piece])
  }

  // Sessions.

  /** A dial ended in a handshake, or in no answer at all. */
  dialled(now: Instant, endpoint: Endpoint, isAnswered: boolean): void {
    if (isAnswered) this.peers.answered(endpoint)
    this.announcer.handle(now, { kind: 'dialled', endpoint, isAnswered })
  }

  /** @param isKnown the peer was here before the metadata was, and is not told of again */
  attach(now: Instant, session: PeerSession, isKnown = false): void {
    this.#now = now
    this.core.sessions.set(session.id, session)
    if (session.isOutgoing) this.dialled(now, session.endpoint, true)
    session.sendHave(this.core.pieces.have, isKnown)
    if (session.supportsExtensions) this.#around.sendExtensions(this, session)
    if (isKnown) return
    const { address } = session
    const peerId = peerIdText(session.peerId)
    this.emit({ event: 'handshake-ok', address, peerId })
    this.emit({ event: 'peer-connected', address, peerId, client: clientName(session.peerId) })
  }

  detach(now: Instant, session: PeerSession, reason: DisconnectReason): void {
    this.#now = now
    this.downloader.release(session)
    this.core.sessions.delete(session.id)
    this.#holdings.left(session)
    this.exchange.left(session)
    if (!session.isOutgoing && session.listensAt !== undefined)
      this.peers.departed(now, session.listensAt, session.downloaded.total > 0)
    this.emit({ event: 'peer-disconnected', address: session.address, reason })
    this.#slots.left(session)
    this.#failed.left(now, session)
    this.fillAll(now)
  }

  /** Lets every peer with room in its window ask for more. */
  fillAll(now: Instant): void {
    this.downloader.isStarved = false
    if (this.phase !== 'active') return
    // Peers that owe us blocks come last, or they would take back what they let lie.
    const sessions = [...this.core.sessions.values()]
    const start = sessions.length > 0 ? this.#fillCount++ % sessions.length : 0
    for (const isSnubbed of [false, true])
      for (let i = 0; i < sessions.length; i++) {
        const session = sessions[(start + i) % sessions.length]!
        if (session.window.isSnubbed === isSnubbed) this.downloader.fill(now, session)
      }
    this.webSeeds.fill(now)
  }

  received(now: Instant, session: PeerSession, bytes: Uint8Array): Fault | undefined {
    this.#now = now
    session.lastReceivedAt = now
    const fault = session.reader.push(bytes)
    if (fault !== undefined) return fault
    if (this.phase === 'active') this.downloader.fill(now, session)
    if (session.requests.size > 0) this.uploader.serve(now, session)
    return undefined
  }

  /** Waits for a budget or for memory. */
  get isStarved(): boolean {
    return this.downloader.isStarved || this.uploader.isStarved
  }

  /** The time that `nextTimeout` gave has come, or may have. */
  serveDue(now: Instant): void {
    this.#now = now
    this.#news.tellDue(now)
    this.#failed.tick(now)
    if (this.isStarved) this.tick(now)
    else this.webSeeds.tick(now)
  }

  /** Rounds and time-outs, a few times a second; dials and announces are driven by the client. */
  tick(now: Instant): void {
    this.#now = now
    if (this.phase === 'checking') return
    this.#news.tellDue(now)
    this.#slots.tick(now)
    this.exchange.tick(now)
    this.#failed.tick(now)
    if (this.downloader.checkTimeouts(now) || this.downloader.isStarved) this.fillAll(now)
    if (this.uploader.isStarved) this.uploader.serveAll(now)
    this.webSeeds.tick(now)
  }

  nextTimeout(now: Instant): Instant | undefined {
    const budgets = earliest(this.downloader.nextTimeout(now), this.uploader.nextTimeout(now))
    const news = earliest(this.#news.nextTimeout(), this.#failed.nextTimeout(now))
    const others = earliest(news, this.webSeeds.nextTimeout(now))
    return earliest(earliest(budgets, others), this.announcesAt)
  }

  emit(event: SwarmEvent): void {
    this.core.emit({ kind: 'event', torrent: this.core.id, event })
  }

  // SessionHost: what peers say.

  isBlock(piece: number, begin: number, length: number): boolean {
    return this.core.geometry.isBlock(piece, begin, length)
  }

  isBlocks(piece: number, begin: number, length: number): boolean {
    return this.core.geometry.isBlocks(piece, begin, length)
  }

  peerBitfield(session: PeerSession, before: Bitfield): void {
    this.#holdings.told(session, before)
    this.#endIfPointless(session)
  }

  peerHas(session: PeerSession, piece: number): void {
    this.#holdings.gained(session, piece)
    this.#endIfPointless(session)
  }

  peerChoked(session: PeerSession): void {
    // With BEP 6 what will not be served is rejected one by one; without it all requests are void.
    if (session.supportsFast) this.downloader.disown(session)
    else this.downloader.release(session)
  }

  peerUnchoked(_session: PeerSession): void {
    // The window is filled once the bytes at hand are read.
  }

  peerInterest(session: PeerSession): void {
    this.#slots.interestChanged(session)
  }

  peerRequests(session: PeerSession, piece: number, begin: number, length: number): void {
    this.uploader.requested(session, piece, begin, length)
  }

  peerCancels(session: PeerSession, range: BlockRange): void {
    this.uploader.cancelled(session, range)
  }

  peerRejects(session: PeerSession, range: BlockRange): void {
    const isWithheld = this.downloader.rejected(session, range) && !session.peerChoking
    if (isWithheld) this.#holdings.withheld(session, range.piece)
  }

  blockStarts(session: PeerSession, piece: number, begin: number, length: number): void {
    this.downloader.blockStarts(session, piece, begin, length)
  }

  blockEnds(session: PeerSession, piece: number, begin: number, length: number): void {
    this.downloader.blockEnds(this.#now, session, piece, begin, length)
  }

  peerExtensions(session: PeerSession, _handshake: ExtensionHandshake): void {
    if (!session.isOutgoing && session.listensAt !== undefined) this.peers.arrived(session.listensAt)
    this.exchange.offered(this.#now, session)
    this.#endIfPointless(session)
  }

  peerExtended(session: PeerSession, id: number, payload: Uint8Array): Fault | undefined {
    return this.exchange.received(this.#now, session, id, payload)
  }

  hasToSend(session: PeerSession): void {
    this.#around.hasToSend(session)
  }

  // Inside.

  #openPiece(piece: number): void {
    if (this.core.options.role === 'download' && this.core.pieces.isOpen(piece)) this.core.picker.open(piece)
  }

  #endIfPointless(session: PeerSession): void {
    const weOnlyUpload = this.core.options.role === 'seed-only' || this.isComplete
    if (!weOnlyUpload || !session.isUploadOnly || this.phase !== 'active') return
    session.ending = 'both-seeds'
    const known = this.peers.get(session.endpoint)
    if (known !== undefined) known.pointless = 'seed'
  }

  #giveBack(piece: number, fault: Fault): void {
    this.core.pieces.refute(piece)
    this.#openPiece(piece)
    this.pause(fault)
  }

  #completed(now: Instant): void {
    this.#wasComplete = true
    this.seedingSince = now
    this.#news.tell(now)
    this.webSeeds.halt()
    this.announcer.handle(now, { kind: 'completed' })
    this.emit({
      event: 'downloaded',
      bytes: this.wantedBytes,
      seconds: (now - this.#startedAt) / MICROSECONDS_PER_SECOND,
    })
    for (const session of [...this.core.sessions.values()]) {
      if (session.supportsExtensions) this.#around.sendExtensions(this, session)
      this.#endIfPointless(session)
      if (session.ending !== undefined) this.#around.close(session.id, session.ending)
    }
  }
}
