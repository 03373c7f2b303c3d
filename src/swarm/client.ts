/**
 * The swarm machine: all torrents of one peer, its connections, budgets and shared memory. It routes
 * handshakes to torrents, opens and closes connections, and drives every torrent's clockwork from one tick.
 * Invariants: a peer id has one session per torrent; every session belongs to exactly one open connection;
 * after `stop` no output but closes, last announces and `stopped` follows.
 */
import { assert } from '../base/assert.ts'
import { BoundedQueue } from '../base/bounded-queue.ts'
import { compareBytes, equalBytes, toHex } from '../base/bytes.ts'
import type { Env } from '../base/env.ts'
import { LIMITS } from '../base/limits.ts'
import type { Machine } from '../base/machine.ts'
import { type Instant, seconds } from '../base/time.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import { encodeExtensionHandshake } from '../wire/extension-handshake.ts'
import { decodeHandshake, encodeHandshake, type Handshake } from '../wire/handshake.ts'
import type { AnnouncementsOutput } from './announcements.ts'
import { Connection } from './connection.ts'
import type { SwarmInput, SwarmOutput } from './effects.ts'
import type { DisconnectReason } from './events.ts'
import { FramePool } from './frame-pool.ts'
import { PeerSession } from './peer-session.ts'
import { PieceBuffers } from './piece-buffers.ts'
import { Schedule } from './schedule.ts'
import { Torrent } from './torrent.ts'
import type { TorrentOptions } from './torrent-options.ts'
import type { TorrentSurroundings } from './torrent-surroundings.ts'

export interface ClientOptions {
  /** 20 bytes. */
  readonly peerId: Uint8Array
  /** Program and version, told to peers. */
  readonly clientName: string
  readonly listenPort: number
  readonly blockLength: number
  /** 0 = unlimited. */
  readonly uploadBytesPerSecond: number
  readonly downloadBytesPerSecond: number
  /** Connections of all torrents. */
  readonly connectionsMax: number
  readonly connectTimeoutSeconds: number
  readonly handshakeTimeoutSeconds: number
  /** A peer that owes blocks and sends none for so long is snubbed and its blocks are given to others. */
  readonly requestTimeoutSeconds: number
  /** A session without a byte from the other side ends. */
  readonly idleTimeoutSeconds: number
  readonly buffers?: PieceBuffers
}

/** BEP 3: keep-alives are sent every two minutes. */
const KEEP_ALIVE_SECONDS = 100
const NEVER = Number.POSITIVE_INFINITY as Instant

export class Client implements Machine<SwarmInput, SwarmOutput> {
  readonly torrents = new Map<number, Torrent>()
  readonly options: ClientOptions
  readonly #env: Env
  readonly #around: TorrentSurroundings
  /** By every infohash a peer may name: 40 hex digits. Up to three for each torrent. */
  readonly #byHash = new Map<string, Torrent>()
  /** Bounded by `connectionsMax`. */
  readonly #connections = new Map<number, Connection>()
  /** Drained after every input. */
  readonly #outputs = new BoundedQueue<SwarmOutput>(1_000_000)
  /** Sessions whose writers are not empty, in the order in which they began. Emptied after every input. */
  #unsent: PeerSession[] = []
  readonly #schedule: Schedule
  #lastConnection = 0
  #halfOpenCount = 0
  #turn = 0
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
      peerId: options.peerId,
      listenPort: options.listenPort,
      emit: (output) => this.#emit(output),
      close: (connection, reason) => this.#close(connection, reason),
      hasToSend: (session) => this.#unsent.push(session),
      sendExtensions: (torrent, session) => this.#sendExtensions(torrent, session),
    }
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  handle(now: Instant, input: SwarmInput): void {
    this.#now = now
    this.#dispatch(now, input)
    if (this.#schedule.isTickDue(now)) this.#tick(now)
    else if (this.#schedule.isTorrentDue(now))
      for (const torrent of this.#inTurn(this.#schedule.takeDue(now))) torrent.serveDue(now)
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
        return this.#received(now, input.connection, input.bytes)
      case 'sent': {
        const { torrent, session } = this.#connections.get(input.connection) ?? {}
        if (torrent === undefined || session === undefined) return
        this.#schedule.concern(torrent)
        return torrent.uploader.sent(now, session, input.frame)
      }
      case 'incoming':
        return this.#incoming(now, input)
      case 'connected':
        return this.#connected(now, input.connection)
      case 'closed':
        return this.#forget(now, input.connection, input.reason)
      case 'add-torrent':
        return this.#addTorrent(now, input.torrent, input.options)
      case 'set-rates':
        this.#around.uploadBudget.setRate(now, input.uploadBytesPerSecond)
        this.#around.downloadBudget.setRate(now, input.downloadBytesPerSecond)
        return this.#schedule.concernAll(this.torrents.values())
      case 'stop':
        return this.#stop(now)
      default:
        return this.#dispatchToTorrent(now, input)
    }
  }

  #dispatchToTorrent(now: Instant, input: Extract<SwarmInput, { torrent: number }>): void {
    const torrent = this.torrents.get(input.torrent)
    if (torrent === undefined) return
    this.#schedule.concern(torrent)
    switch (input.kind) {
      case 'piece-hashed':
        return torrent.pieceHashed(now, input.piece, input.result)
      case 'piece-written':
        torrent.pieceWritten(now, input.piece, input.fault)
        // A buffer of the shared pool came back: whoever waited for one may go on.
        for (const other of this.#schedule.starved) {
          this.#schedule.concern(other)
          if (other.downloader.isStarved) other.fillAll(now)
        }
        return
      case 'blocks-read':
        return torrent.readDone(now, input.read, input.fault)
      case 'checked':
        torrent.checked(now, input.pieces)
        return this.#admitHeld(now, torrent)
      case 'pieces-lost':
        return torrent.lost(now, input.pieces)
      case 'add-peers':
        for (const endpoint of input.peers) torrent.peers.add(endpoint, input.source)
        return this.#dial(now, torrent)
      case 'set-pick-order':
        torrent.core.picker.pickOrder = input.order
        return
      case 'resume':
        return torrent.resume(now)
      case 'announce-answered':
        return torrent.announcer.handle(now, { kind: 'answered', id: input.announce, result: input.result })
    }
  }

  #addTorrent(now: Instant, id: number, options: TorrentOptions): void {
    if (this.#isStopping) return
    const torrent = new Torrent(
      now,
      id,
      options,
      { ...this.#env, prng: this.#env.prng.fork(`torrent ${id}`) },
      this.#around,
    )
    this.torrents.set(id, torrent)
    const { infoHashV1, infoHashV2 } = options.metainfo
    if (infoHashV1 !== null) this.#byHash.set(toHex(infoHashV1), torrent)
    if (infoHashV2 !== null) this.#byHash.set(toHex(infoHashV2.subarray(0, 20)), torrent)
    // Not its own name, so it never takes one from another torrent.
    const rebuilt = torrent.rebuiltInfoHash === null ? undefined : toHex(torrent.rebuiltInfoHash)
    if (rebuilt !== undefined && !this.#byHash.has(rebuilt)) this.#byHash.set(rebuilt, torrent)
  }

  // Connections.

  #incoming(now: Instant, input: Extract<SwarmInput, { kind: 'incoming' }>): void {
    assert(input.connection < 0, 'incoming connections have negative ids')
    const deadline = (now + seconds(this.options.handshakeTimeoutSeconds)) as Instant
    const connection = new Connection(input.connection, input.address, undefined, true, deadline)
    this.#connections.set(connection.id, connection)
    this.#schedule.hurry(this.#now)
    if (this.#isStopping) this.#close(connection.id, 'stopped')
    else if (this.#connections.size > this.options.connectionsMax)
      this.#close(connection.id, 'too-many-peers')
  }

  #dial(now: Instant, torrent: Torrent): void {
    if (this.#isStopping || (torrent.nextDialAt() ?? NEVER) > now) return
    while (this.#halfOpenCount < LIMITS.halfOpenMax.value) {
      if (this.#connections.size >= this.options.connectionsMax) return
      if (torrent.dialingCount + torrent.core.sessions.size >= torrent.core.options.connectionsMax) return
      const peer = torrent.peers.candidate(now)
      if (peer === undefined) return
      peer.isConnected = true
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
    this.#sendHandshake(id, connection.torrent.infoHashFor(connection.endpoint))
  }

  #received(now: Instant, id: number, bytes: Uint8Array): void {
    const connection = this.#connections.get(id)
    if (connection === undefined) return
    let rest = bytes
    if (connection.session === undefined) {
      rest = connection.gather(bytes)
      if (!connection.isBitTorrent) return this.#close(id, 'not-bittorrent')
      if (connection.handshake === undefined) return
      if (this.#mustWait(connection, connection.handshake)) {
        if (!connection.hold(rest)) this.#close(id, 'protocol-error')
        return
      }
      const reason = this.#shakeHands(now, connection, connection.handshake)
      if (reason !== undefined) return this.#close(id, reason)
    }
    const { session, torrent } = connection
    if (session === undefined || torrent === undefined) return
    this.#schedule.concern(torrent)
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

  /** A peer that comes while the files are still being checked is kept waiting, not sent away. */
  #mustWait(connection: Connection, handshake: Uint8Array): boolean {
    const decoded = decodeHandshake(handshake)
    const named = decoded.ok ? this.#byHash.get(toHex(decoded.value.infoHash)) : undefined
    return !connection.isOutgoing && named?.phase === 'checking'
  }

  #admitHeld(now: Instant, torrent: Torrent): void {
    for (const connection of [...this.#connections.values()]) {
      const { handshake, session, id } = connection
      if (session !== undefined || handshake === undefined || connection.isOutgoing) continue
      if (!this.#mustWait(connection, handshake)) this.#received(now, id, connection.release())
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
    if (torrent.phase === 'checking' || torrent.phase === 'stopping') return 'unknown-torrent'
    if (torrent.peers.isBanned(connection.endpoint)) return 'banned'
    if (equalBytes(handshake.peerId, this.options.peerId)) {
      const known = torrent.peers.get(connection.endpoint)
      if (known !== undefined) known.pointless = 'self'
      return 'self-connection'
    }
    if (torrent.core.sessions.size >= torrent.core.options.connectionsMax) return 'too-many-peers'
    if (!this.#isFirst(connection, torrent, handshake)) return 'duplicate-peer'
    if (!connection.isOutgoing) this.#sendHandshake(connection.id, handshake.infoHash)
    const { id, endpoint, isOutgoing } = connection
    connection.session = new PeerSession(id, endpoint, isOutgoing, handshake, torrent, now)
    connection.deadline = Infinity as Instant
    torrent.attach(now, connection.session)
    if (isOutgoing) torrent.dialingCount--
    return undefined
  }

  /**
   * Two peers that dial each other at the same moment must drop the same one of the two connections: the one
   * opened by the peer with the higher id stays.
   */
  #isFirst(connection: Connection, torrent: Torrent, handshake: Handshake): boolean {
    for (const session of torrent.core.sessions.values()) {
      if (!equalBytes(session.peerId, handshake.peerId)) continue
      const weAreHigher = compareBytes(this.options.peerId, handshake.peerId) > 0
      if (session.isOutgoing === connection.isOutgoing || connection.isOutgoing !== weAreHigher) return false
      this.#close(session.id, 'duplicate-peer')
    }
    return true
  }

  #sendHandshake(connection: number, infoHash: Uint8Array): void {
    const bytes = encodeHandshake({
      infoHash,
      peerId: this.options.peerId,
      supportsExtensions: true,
      supportsFast: true,
      supportsV2: false,
    })
    this.#emit({ kind: 'send', connection, bytes })
  }

  #sendExtensions(torrent: Torrent, session: PeerSession): void {
    const payload = encodeExtensionHandshake({
      messages: new Map(),
      client: this.options.clientName,
      listenPort: this.options.listenPort,
      requestQueueLength: LIMITS.requestsQueuedPerPeerMax.value,
      isUploadOnly: torrent.isComplete || torrent.core.options.role === 'seed-only',
      metadataSize: torrent.core.options.metainfo.infoBytes.length,
    })
    session.writer.extended(0, payload)
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
    if (!connection.isOpen) this.#halfOpenCount--
    const { torrent, session, endpoint } = connection
    if (torrent === undefined) return
    this.#schedule.concern(torrent)
    if (connection.isOutgoing)
      torrent.peers.release(now, endpoint, session !== undefined && session.downloaded.total > 0)
    if (connection.isUnanswered && (reason === 'remote-closed' || reason === 'connection-reset'))
      torrent.hungUp(now, endpoint)
    if (session !== undefined) torrent.detach(now, session, reason)
    else if (connection.isOutgoing) {
      torrent.dialingCount--
      torrent.emit({ event: 'peer-disconnected', address: formatEndpoint(connection.endpoint), reason })
    }
    this.#dial(now, torrent)
  }

  // Clockwork.

  /** What needs no more than a look now and then, at everything. */
  #tick(now: Instant): void {
    for (const connection of [...this.#connections.values()]) {
      const { session } = connection
      if (now >= connection.deadline)
        this.#close(connection.id, connection.isOpen ? 'handshake-timeout' : 'connect-timeout')
      else if (
        session !== undefined &&
        now - session.lastReceivedAt > seconds(this.options.idleTimeoutSeconds)
      )
        this.#close(connection.id, 'idle-timeout')
      else if (session !== undefined && now - session.lastSentAt > seconds(KEEP_ALIVE_SECONDS))
        session.writer.keepAlive()
    }
    const torrents = this.#inTurn([...this.torrents.values()])
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
    for (const torrent of this.#inTurn(torrents)) torrent.fillAll(now)
  }

  /** Another one first each time, because the first to draw on a short budget gets most of it. */
  #inTurn(torrents: readonly Torrent[]): Torrent[] {
    const start = torrents.length > 0 ? this.#turn++ % torrents.length : 0
    return [...torrents.slice(start), ...torrents.slice(0, start)]
  }

  readonly #driveAnnouncer = (torrent: Torrent): void => {
    const { announcer } = torrent
    const due = announcer.nextTimeout()
    if (due !== undefined && due <= this.#now) announcer.handle(this.#now, { kind: 'tick' })
    let hasNews = false
    for (let output = announcer.poll(); output !== undefined; output = announcer.poll()) {
      this.#announcerSays(torrent, output)
      hasNews = true
    }
    if (hasNews) this.#dial(this.#now, torrent)
  }

  #announcerSays(torrent: Torrent, output: AnnouncementsOutput): void {
    switch (output.kind) {
      case 'announce': {
        const { id, url, request } = output
        return this.#emit({ kind: 'announce', torrent: torrent.core.id, announce: id, url, request })
      }
      case 'event':
        return torrent.emit(output.event)
      case 'stopped':
        torrent.hasLeftTrackers = true
        return
      case 'peers':
        for (const endpoint of output.peers) torrent.peers.add(endpoint, 'tracker', output.isRebuilt)
    }
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
    for (const torrent of this.torrents.values()) {
      if (torrent.phase === 'checking') torrent.hasLeftTrackers = true
      else torrent.announcer.handle(now, { kind: 'stop' })
      torrent.phase = 'stopping'
    }
    for (const id of [...this.#connections.keys()]) this.#close(id, 'stopped')
  }

  /** All torrents have said good-bye to their trackers, or given up on it. */
  #finishStop(): void {
    for (const torrent of this.torrents.values()) if (!torrent.hasLeftTrackers) return
    this.#isStopped = true
    this.#emit({ kind: 'stopped' })
  }

  #emit(output: SwarmOutput): void {
    assert(this.#outputs.push(output), 'outputs are drained after every input')
  }
}
