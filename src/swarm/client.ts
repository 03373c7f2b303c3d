/**
 * The swarm machine: all torrents of one peer, its connections, budgets and shared memory. It routes
 * handshakes to torrents, opens and closes connections, and drives every torrent's clockwork from one tick.
 * Invariants: a peer id has one session per torrent; every session belongs to exactly one open connection;
 * after `stop` no output but blocks under way, closes, last announces and `stopped` follows.
 */

import { assert } from '../base/assert.ts'
import { BoundedQueue } from '../base/bounded-queue.ts'
import { equalBytes, toHex } from '../base/bytes.ts'
import type { Env } from '../base/env.ts'
import { LIMITS } from '../base/limits.ts'
import type { Machine } from '../base/machine.ts'
import { type Instant, seconds } from '../base/time.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import { decodeHandshake } from '../wire/handshake.ts'
import { isProbe } from '../wire/probe.ts'
import { CLAIM_READS } from './claims.ts'
import type { ClientOptions } from './client-options.ts'
import { Connection } from './connection.ts'
import { ConnectionSlots } from './connection-slots.ts'
import { DialBudget } from './dial-budget.ts'
import { isDraining } from './drain.ts'
import type { SwarmInput, SwarmOutput } from './effects.ts'
import type { DisconnectReason } from './events.ts'
import { FramePool } from './frame-pool.ts'
import { extensionHandshakeOf, handshakeOf, infoHashInAnswer, speaksV2 } from './greetings.ts'
import { instruct } from './instructions.ts'
import { MagnetTorrent } from './magnet-torrent.ts'
import { OwnAddresses } from './own-addresses.ts'
import { PeerSession } from './peer-session.ts'
import { PieceBuffers } from './piece-buffers.ts'
import { Rotation } from './rotation.ts'
import { Schedule } from './schedule.ts'
import { Services } from './services.ts'
import { StreamEncryption } from './stream-encryption.ts'
import { Torrent } from './torrent.ts'
import { driveAnnouncements } from './torrent-announcements.ts'
import { hungUp, infoHashFor, nextDialAt } from './torrent-dials.ts'
import type { TorrentOptions } from './torrent-options.ts'
import type { TorrentSurroundings } from './torrent-surroundings.ts'
import { Turns } from './turns.ts'
import { UploadDelay } from './upload-delay.ts'

const NEVER = Number.POSITIVE_INFINITY as Instant
const MOVES_BYTES: ReadonlySet<SwarmInput['kind']> = new Set(['blocks-read', 'piece-hashed', 'piece-written'])
/** A dial that ended so found nobody. */
const UNANSWERED = new Set<DisconnectReason>([
  'refused',
  'unreachable',
  'connect-timeout',
  'handshake-timeout',
])

export class Client implements Machine<SwarmInput, SwarmOutput> {
  readonly torrents = new Map<number, Torrent>()
  readonly options: ClientOptions
  readonly #env: Env
  readonly #around: TorrentSurroundings
  /** By every infohash a peer may name: 40 hex digits. Up to three for each torrent. */
  readonly #byHash = new Map<string, Torrent>()
  /** Bounded by `connectionsMax` and `strangersMax`. */
  readonly #connections = new Map<number, Connection>()
  /** Drained after every input. */
  readonly #outputs = new BoundedQueue<SwarmOutput>(1_000_000)
  /** Sessions whose writers are not empty, in the order in which they began. Emptied after every input. */
  #unsent: PeerSession[] = []
  readonly #schedule: Schedule
  readonly #encryption: StreamEncryption
  readonly #turns: Turns
  readonly #dials = new DialBudget()
  readonly #slots: ConnectionSlots
  readonly #rotation = new Rotation()
  readonly #services: Services
  #lastConnection = 0
  #halfOpenCount = 0
  #isStopping = false
  #isStopped = false
  #now: Instant

  constructor(now: Instant, options: ClientOptions, env: Env) {
    this.options = options
    this.#env = env
    this.#now = now
    this.#schedule = new Schedule(now)
    this.#around = {
      blockLength: options.blockLength,
      buffers: options.buffers ?? new PieceBuffers(),
      frames: new FramePool(options.blockLength),
      downloadBudget: new TokenBucket(options.downloadBytesPerSecond),
      uploadBudget: new TokenBucket(options.uploadBytesPerSecond),
      requestTimeoutSeconds: options.requestTimeoutSeconds,
      uploadDelay: new UploadDelay(options.uploadDelaySeconds ?? 0),
      peerId: options.peerId,
      listenPort: options.listenPort,
      own: new OwnAddresses(options.listenPort, options.listenHost),
      webRanges: { open: 0 },
      emit: (output) => this.#emit(output),
      close: (connection, reason) => this.#close(connection, reason),
      hasToSend: (session) => this.#unsent.push(session),
      sendExtensions: (torrent, session) =>
        session.writer.extended(0, extensionHandshakeOf(options, torrent)),
    }
    this.#encryption = new StreamEncryption(options.encryption, env.crypto, this.#byHash, this.#around.emit)
    this.#turns = new Turns(options.turns, {
      torrents: this.torrents,
      admit: (waiting) => this.#received(this.#now, waiting.id, waiting.release()),
      close: (connection, reason) => this.#close(connection, reason),
    })
    this.#slots = new ConnectionSlots(options, this.#connections, this.#around.own)
    this.#services = new Services({ ...this.#around, options, torrents: this.torrents })
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  handle(now: Instant, input: SwarmInput): void {
    this.#now = now
    this.#dispatch(now, input)
    if (this.#schedule.isTickDue(now)) this.#tick(now)
    else if (this.#schedule.isTorrentDue(now))
      for (const torrent of this.#rotation.next(this.#schedule.takeDue(now))) torrent.serveDue(now)
    this.#turns.pass(now)
    if (this.#isStopping) this.#drain(now)
    this.#schedule.settle(now, this.#driveAnnouncer)
    if (this.#isStopping && !this.#isStopped) this.#finishStop()
    this.#flush(now)
  }

  poll(): SwarmOutput | undefined {
    return this.#outputs.shift()
  }

  nextTimeout(): Instant | undefined {
    return this.#isStopped ? undefined : this.#schedule.nextAt
  }

  #dispatch(now: Instant, input: SwarmInput): void {
    if (input.kind !== 'tick') this.#schedule.stir(now)
    switch (input.kind) {
      case 'tick':
        return
      case 'received':
        return this.#arrived(now, input.connection, input.bytes)
      case 'sent': {
        const { torrent, session } = this.#connections.get(input.connection) ?? {}
        if (torrent === undefined || session === undefined) return
        this.#schedule.busy(torrent)
        return torrent.uploader.sent(now, session, input.frame)
      }
      case 'incoming':
        return this.#incoming(now, input)
      case 'connected':
        return this.#connected(now, input.connection)
      case 'closed':
        return this.#forget(now, input.connection, input.reason)
      case 'add-torrent':
      case 'add-magnet':
        return this.#addTorrent(now, input.torrent, input.options, input.kind === 'add-magnet')
      case 'set-rates':
        this.#around.uploadBudget.setRate(now, input.uploadBytesPerSecond)
        this.#around.downloadBudget.setRate(now, input.downloadBytesPerSecond)
        return this.#schedule.concernAll(this.torrents.values())
      case 'hashing-aside':
        return this.#around.buffers.hashedAside()
      case 'stop':
        return this.#stop(now)
      default:
        return this.#dispatchToTorrent(now, input)
    }
  }

  #dispatchToTorrent(now: Instant, input: Extract<SwarmInput, { torrent: number }>): void {
    const torrent = this.torrents.get(input.torrent)
    if (torrent === undefined) return
    if (MOVES_BYTES.has(input.kind)) this.#schedule.busy(torrent)
    else this.#schedule.concern(torrent)
    switch (input.kind) {
      case 'piece-hashed':
        return torrent.pieceHashed(now, input.piece, input.result)
      case 'blocks-hashed':
        return torrent.blocksHashed(now, input.id, input.result)
      case 'piece-written':
        torrent.pieceWritten(now, input.piece, input.fault)
        if (torrent.isComplete) this.#schedule.concern(torrent)
        // A buffer of the shared pool came back: whoever waited for one may go on.
        for (const other of this.#schedule.starved) {
          this.#schedule.busy(other)
          if (other.downloader.isStarved) other.fillAll(now)
        }
        return
      case 'blocks-read':
        if (input.read < CLAIM_READS) return this.#services.readDone(input.read, input.fault)
        return torrent.readDone(now, input.read, input.fault)
      case 'checked':
        torrent.checked(now, input.pieces)
        return this.#admitHeld(now, torrent)
      case 'pieces-lost':
      case 'pieces-found':
      case 'pause':
      case 'resume':
      case 'set-pick-order':
        return instruct(torrent, now, input)
      case 'add-peers':
        torrent.introductions.take(input.peers, input.source, input.from)
        return this.#dial(now, torrent)
      case 'web-range':
        return torrent.webSeeds.news(now, input.range, input.news)
      case 'announce-answered':
        return torrent.announcer.handle(now, { kind: 'answered', id: input.announce, result: input.result })
      case 'tracker-called':
        return torrent.announcer.handle(now, { kind: 'called', id: input.call, result: input.result })
    }
  }

  #addTorrent(now: Instant, id: number, options: TorrentOptions, isMagnet = false): void {
    if (this.#isStopping) return
    const env = { ...this.#env, prng: this.#env.prng.fork(`torrent ${id}`) }
    const before = this.torrents.get(id)
    const torrent = isMagnet
      ? new MagnetTorrent(now, id, options, env, this.#around)
      : new Torrent(now, id, options, env, this.#around, before)
    this.torrents.set(id, torrent)
    this.#schedule.concern(torrent)
    if (before !== undefined) this.#handOver(before, torrent)
    const { infoHashV1, infoHashV2 } = options.metainfo
    if (infoHashV1 !== null) this.#byHash.set(toHex(infoHashV1), torrent)
    if (infoHashV2 !== null) this.#byHash.set(toHex(infoHashV2.subarray(0, 20)), torrent)
    // Not its own name, so it never takes one from another torrent.
    const rebuilt = torrent.rebuiltInfoHash === null ? undefined : toHex(torrent.rebuiltInfoHash)
    if (rebuilt !== undefined && !this.#byHash.has(rebuilt)) this.#byHash.set(rebuilt, torrent)
  }

  /** A magnet link's torrent has its metadata: everything of it goes on as the whole torrent. */
  #handOver(before: Torrent, torrent: Torrent): void {
    this.#schedule.forget(before)
    for (const connection of this.#connections.values())
      if (connection.torrent === before) connection.handOver(torrent)
  }

  // Connections.

  #incoming(now: Instant, input: Extract<SwarmInput, { kind: 'incoming' }>): void {
    assert(input.connection < 0, 'incoming connections have negative ids')
    const deadline = (now + seconds(this.options.handshakeTimeoutSeconds)) as Instant
    const connection = new Connection(input.connection, input.address, undefined, true, deadline)
    this.#connections.set(connection.id, connection)
    this.#encryption.expect(connection.id)
    this.#schedule.hurry(this.#now)
    if (this.#isStopping) return this.#close(connection.id, 'stopped')
    const loser = this.#slots.atDoor(connection)
    if (loser !== undefined) this.#close(loser, 'too-many-peers')
  }

  #dial(now: Instant, torrent: Torrent): void {
    if (this.#isStopping || (nextDialAt(torrent) ?? NEVER) > now) return
    while (
      this.#halfOpenCount < LIMITS.halfOpenMax.value &&
      !this.#turns.mayNotDial &&
      this.#dials.hasTurn(now)
    ) {
      if (this.#connections.size >= this.options.connectionsMax) return
      if (torrent.dialingCount + torrent.core.sessions.size >= torrent.core.options.connectionsMax) return
      const peer = torrent.peers.candidate(now, this.#dials)
      if (peer === undefined || !this.#encryption.mayDial(now, peer)) return
      peer.isConnected = true
      this.#dials.dialled(now, peer)
      const deadline = (now + seconds(this.options.connectTimeoutSeconds)) as Instant
      const connection = new Connection(++this.#lastConnection, peer.endpoint, torrent, false, deadline)
      this.#connections.set(connection.id, connection)
      this.#schedule.hurry(this.#now)
      this.#halfOpenCount++
      torrent.dialingCount++
      torrent.emit({ event: 'connecting', address: formatEndpoint(connection.endpoint) })
      this.#emit({ kind: 'connect', connection: connection.id, endpoint: peer.endpoint })
    }
  }

  #connected(now: Instant, id: number): void {
    const connection = this.#connections.get(id)
    if (connection === undefined || connection.torrent === undefined || connection.isOpen) return
    connection.isOpen = true
    this.#halfOpenCount--
    connection.deadline = (now + seconds(this.options.handshakeTimeoutSeconds)) as Instant
    const { torrent, endpoint } = connection
    this.#encryption.begin(now, id, torrent.peers.get(endpoint))
    this.#sendHandshake(id, torrent, infoHashFor(torrent, endpoint))
  }

  #arrived(now: Instant, id: number, bytes: Uint8Array): void {
    const clear = this.#encryption.read(now, id, bytes)
    if (typeof clear === 'string') return this.#close(id, clear)
    this.options.wireTap?.passed('in', this.#connections.get(id), clear)
    this.#received(now, id, clear)
  }

  /** @param bytes of the peer's stream, in clear */
  #received(now: Instant, id: number, bytes: Uint8Array): void {
    const connection = this.#connections.get(id)
    if (connection === undefined || this.#isStopping) return
    let rest = bytes
    if (connection.session === undefined) {
      rest = connection.gather(bytes)
      if (!connection.isBitTorrent) return this.#close(id, 'not-bittorrent')
      if (connection.handshake === undefined || this.#services.serve(now, connection, rest)) return
      if (this.#mustWait(now, connection, connection.handshake)) {
        if (!connection.hold(rest)) this.#close(id, 'protocol-error')
        return
      }
      const reason = this.#shakeHands(now, connection, connection.handshake)
      if (reason !== undefined) return this.#close(id, reason)
    }
    const { session, torrent } = connection
    if (session === undefined || torrent === undefined) return
    this.#schedule.busy(torrent)
    const fault = torrent.received(now, session, rest)
    if (fault !== undefined) {
      torrent.emit({
        event: 'protocol-error',
        address: session.address,
        code: fault.code,
        message: fault.message,
      })
      this.#close(id, 'protocol-error')
    } else if (session.ending !== undefined) this.#close(id, session.ending)
  }

  /** Who comes while the files are still being checked, or out of turn, is kept waiting, not sent away. */
  #mustWait(now: Instant, connection: Connection, handshake: Uint8Array): boolean {
    const decoded = decodeHandshake(handshake)
    const named = decoded.ok ? this.#byHash.get(toHex(decoded.value.infoHash)) : undefined
    if (!decoded.ok || named === undefined) return false
    if (named.phase === 'checking') return true
    return !connection.isOutgoing && this.#turns.mustWait(now, connection, named, decoded.value)
  }

  #admitHeld(now: Instant, torrent: Torrent): void {
    for (const connection of [...this.#connections.values()]) {
      const { handshake, session, id } = connection
      if (session !== undefined || handshake === undefined) continue
      if (!this.#mustWait(now, connection, handshake)) this.#received(now, id, connection.release())
    }
    this.#dial(now, torrent)
  }

  /**
   * Checks the other side's handshake, answers it if it came first, and starts the session; or says why not.
   */
  #shakeHands(now: Instant, connection: Connection, bytes: Uint8Array): DisconnectReason | undefined {
    const decoded = decodeHandshake(bytes)
    if (!decoded.ok) return 'not-bittorrent'
    const handshake = decoded.value
    const named = this.#byHash.get(toHex(handshake.infoHash))
    if (named === undefined) return 'unknown-torrent'
    const torrent = (connection.torrent ??= named)
    if (torrent !== named) return 'wrong-torrent'
    if (connection.isOutgoing) this.#dials.answered(now, connection.endpoint)
    if (torrent.phase === 'checking' || torrent.phase === 'stopping') return 'unknown-torrent'
    if (torrent.peers.isBanned(connection.endpoint)) return 'banned'
    if (equalBytes(handshake.peerId, this.options.peerId)) {
      // The end that dialled is ours too: it has to hear so, or it dials again and again.
      if (connection.isOutgoing) torrent.peers.reachedSelf(connection.endpoint)
      else this.#sendHandshake(connection.id, torrent, handshake.infoHash)
      return 'self-connection'
    }
    if (isProbe(handshake.peerId) && !connection.isOutgoing) {
      this.#sendHandshake(connection.id, torrent, handshake.infoHash)
      return 'done'
    }
    const doubles = this.#slots.doubles(torrent, connection, handshake.peerId)
    if (doubles === undefined) return 'duplicate-peer'
    for (const double of doubles) this.#close(double, 'duplicate-peer')
    if (!this.#turns.isFree) return 'busy'
    const loser = this.#slots.inside(torrent, connection)
    if (loser === connection.id) return 'too-many-peers'
    if (loser !== undefined) this.#close(loser, 'too-many-peers')
    const { id, endpoint, isOutgoing, wasHandedOver } = connection
    if (!isOutgoing && !wasHandedOver) this.#sendHandshake(id, torrent, infoHashInAnswer(torrent, handshake))
    const supportsV2 = (connection.speaksV2 ??= speaksV2(torrent, handshake, isOutgoing))
    connection.session = new PeerSession(id, endpoint, isOutgoing, { ...handshake, supportsV2 }, torrent, now)
    connection.deadline = Infinity as Instant
    this.#schedule.concern(torrent)
    torrent.attach(now, connection.session, wasHandedOver)
    this.#turns.began(now, torrent, connection.session)
    if (isOutgoing) torrent.dialingCount--
    return undefined
  }

  #sendHandshake(connection: number, torrent: Torrent, infoHash: Uint8Array): void {
    this.#emit({ kind: 'send', connection, bytes: handshakeOf(this.options, torrent, infoHash) })
  }

  #close(id: number, reason: DisconnectReason): void {
    const connection = this.#connections.get(id)
    if (connection === undefined) return
    if (connection.session !== undefined && !connection.session.writer.isEmpty)
      this.#emit({ kind: 'send', connection: id, bytes: connection.session.writer.take() })
    this.#emit({ kind: 'close', connection: id, reason })
    this.#forget(this.#now, id, reason)
  }

  #forget(now: Instant, id: number, reason: DisconnectReason): void {
    const connection = this.#connections.get(id)
    if (connection === undefined) return
    this.#connections.delete(id)
    const isRefusal = this.#encryption.left(connection, reason)
    if (!connection.isOpen) this.#halfOpenCount--
    const { torrent, session, endpoint } = connection
    if (torrent === undefined) return this.#turns.left(id, reason)
    this.#schedule.concern(torrent)
    if (reason === 'busy') torrent.peers.postpone(now, endpoint)
    else if (connection.isOutgoing)
      torrent.peers.release(now, endpoint, session !== undefined && session.downloaded.total > 0)
    if (isRefusal) hungUp(torrent, now, endpoint, this.#encryption.isByPeer)
    if (session !== undefined) torrent.detach(now, session, reason)
    else if (connection.isOutgoing) {
      torrent.dialingCount--
      if (UNANSWERED.has(reason)) torrent.dialled(now, endpoint, false)
      torrent.emit({ event: 'peer-disconnected', address: formatEndpoint(connection.endpoint), reason })
    }
    this.#turns.left(id, reason)
    this.#dial(now, torrent)
  }

  // Clockwork.

  /** What needs no more than a look now and then, at everything. */
  #tick(now: Instant): void {
    for (const connection of [...this.#connections.values()]) {
      const reason = connection.overdue(now, this.options.idleTimeoutSeconds)
      if (reason !== undefined) this.#close(connection.id, reason)
      else connection.keepAlive(now)
    }
    const torrents = this.#rotation.next([...this.torrents.values()])
    this.#schedule.concernAll(torrents)
    let isStarved = false
    for (const torrent of torrents) {
      torrent.tick(now)
      this.#dial(now, torrent)
      isStarved ||= torrent.downloader.isStarved
    }
    this.#schedule.planTick(now, torrents, this.#connections.size)
    const { buffers } = this.#around
    buffers.round(now)
    if (buffers.isOverdue(now)) for (const torrent of torrents) torrent.downloader.abandonAll()
    if (!isStarved) return
    // Memory is short: what nobody can finish now must not keep it from those who could go on.
    for (const torrent of torrents) torrent.downloader.abandonHopeless()
    for (const torrent of this.#rotation.next(torrents)) torrent.fillAll(now)
  }

  readonly #driveAnnouncer = (torrent: Torrent): void => {
    const { announcer } = torrent
    const due = announcer.nextTimeout()
    if (due !== undefined && due <= this.#now) announcer.handle(this.#now, { kind: 'tick' })
    if (driveAnnouncements(torrent, this.#around)) this.#dial(this.#now, torrent)
    torrent.announcesAt = announcer.nextTimeout()
  }

  #flush(now: Instant): void {
    const sessions = this.#unsent
    if (sessions.length === 0) return
    this.#unsent = []
    for (const session of sessions) {
      const { id, writer } = session
      // What was left to say to a connection that ended went out with its end.
      if (writer.isEmpty || this.#connections.get(id)?.session !== session) continue
      session.lastSentAt = now
      this.#emit({ kind: 'send', connection: id, bytes: writer.take() })
    }
  }

  #stop(now: Instant): void {
    if (this.#isStopping) return
    this.#isStopping = true
    this.#schedule.concernAll(this.torrents.values())
    for (const torrent of this.torrents.values()) torrent.stop(now)
  }

  #drain(now: Instant): void {
    for (const connection of [...this.#connections.values()])
      if (!isDraining(now, connection)) this.#close(connection.id, 'stopped')
  }

  /** What was on its way is out, and all torrents have left their trackers, or given up on it. */
  #finishStop(): void {
    if (this.#connections.size > 0) return
    for (const torrent of this.torrents.values()) if (!torrent.hasLeftTrackers) return
    this.#isStopped = true
    this.#emit({ kind: 'stopped' })
  }

  #emit(output: SwarmOutput): void {
    if (output.kind === 'send')
      this.options.wireTap?.passed('out', this.#connections.get(output.connection), output.bytes)
    assert(this.#outputs.push(this.#encryption.write(output)), 'outputs are drained after every input')
  }
}
