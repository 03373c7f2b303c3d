/**
 * One peer session at a time (`--one-at-a-time`): who comes meanwhile waits, unanswered, in the order of
 * arrival. While others wait, a session ends when nothing has moved for the stall limit, when neither side
 * wants anything, or when its turn is over; who still wants something comes again and queues behind the rest.
 * Without the mode nothing here has any effect.
 * Invariants: at most one session is current; `session-end` of it goes out before the next `session-start`.
 */

import { equalBytes } from '../base/bytes.ts'
import { after, type Instant, seconds } from '../base/time.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import type { Handshake } from '../wire/handshake.ts'
import { isProbe } from '../wire/probe.ts'
import { AcceptQueue } from './accept-queue.ts'
import { peerIdText } from './client-name.ts'
import type { Connection } from './connection.ts'
import type { DisconnectReason } from './events.ts'
import type { PeerSession } from './peer-session.ts'
import type { Torrent } from './torrent.ts'
import { nextDialAt } from './torrent-dials.ts'

export interface TurnsOptions {
  /** A session in which nothing moves so long ends, when others wait. */
  readonly stallSeconds: number
  /** A session lasts at most so long, when others wait. */
  readonly turnSeconds: number
  /** Who has waited so long in the queue is sent away. */
  readonly waitSeconds: number
}

export interface TurnsHost {
  /** Reads the handshake that was held back, and goes on from there. */
  admit(connection: Connection): void
  close(connection: number, reason: DisconnectReason): void
  readonly torrents: ReadonlyMap<number, Torrent>
}

/** How soon a session we began ends when neither side wants anything. */
const NOTHING_WANTED_SECONDS = 2
/** Dials at once; whoever answers first gets the session. */
const DIALS_MAX = 4

interface Waiting {
  readonly id: number
  readonly connection: Connection
  readonly torrent: Torrent
}

interface Current {
  readonly session: PeerSession
  readonly torrent: Torrent
  readonly startedAt: Instant
  /** Bytes both ways when last looked at, and since when. */
  moved: number
  movedAt: Instant
}

export class Turns {
  readonly #options: TurnsOptions | undefined
  readonly #host: TurnsHost
  readonly #queue = new AcceptQueue<Waiting>()
  #current: Current | undefined

  /** @param options undefined = any number of sessions at a time */
  constructor(options: TurnsOptions | undefined, host: TurnsHost) {
    this.#options = options
    this.#host = host
  }

  /** A session is current, or somebody waits for it, or enough dials are open. */
  get mayNotDial(): boolean {
    if (this.#options === undefined) return false
    let dialing = 0
    for (const torrent of this.#host.torrents.values()) dialing += torrent.dialingCount
    return this.#current !== undefined || this.#queue.size > 0 || dialing >= DIALS_MAX
  }

  /** Must this incoming handshake go unanswered for now? A tracker's probe never does. */
  mustWait(now: Instant, connection: Connection, torrent: Torrent, { peerId }: Handshake): boolean {
    const current = this.#current
    if (this.#options === undefined || current === undefined || isProbe(peerId)) return false
    // Who would be sent away anyway is; of two connections with one peer one has to go, at once.
    if (torrent.phase === 'stopping' || torrent.peers.isBanned(connection.endpoint)) return false
    if (equalBytes(peerId, current.session.peerId)) return false
    const { id } = connection
    if (this.#queue.has(id)) return true
    if (!this.#queue.push({ id, connection, torrent })) this.#host.close(id, 'too-many-peers')
    else {
      connection.deadline = after(now, seconds(this.#options.waitSeconds))
      torrent.emit({
        event: 'peer-waiting',
        address: formatEndpoint(connection.endpoint),
        busyWith: current.session.address,
        waiting: this.#queue.size,
      })
    }
    return true
  }

  /** May a session begin with it? Not with one that answered a dial after another had come. */
  get isFree(): boolean {
    return this.#options === undefined || this.#current === undefined
  }

  began(now: Instant, torrent: Torrent, session: PeerSession): void {
    if (this.#options === undefined) return
    this.#current = { session, torrent, startedAt: now, moved: 0, movedAt: now }
    torrent.emit({ event: 'session-start', address: session.address, peerId: peerIdText(session.peerId) })
  }

  left(connection: number, reason: DisconnectReason): void {
    this.#queue.remove(connection)
    const current = this.#current
    if (current === undefined || current.session.id !== connection) return
    this.#current = undefined
    current.torrent.emit({ event: 'session-end', address: current.session.address, reason })
  }

  /** Ends a session that keeps others waiting too long, and lets the next one in. */
  pass(now: Instant): void {
    if (this.#options === undefined) return
    const over = this.#current && this.#overReason(now, this.#current, this.#options)
    if (over !== undefined) this.#host.close(this.#current!.session.id, over)
    while (this.#current === undefined) {
      const next = this.#queue.shift()
      if (next === undefined) return
      const { connection, torrent } = next
      torrent.emit({
        event: 'peer-next',
        address: formatEndpoint(connection.endpoint),
        waiting: this.#queue.size,
      })
      this.#host.admit(connection)
    }
  }

  #overReason(now: Instant, current: Current, options: TurnsOptions): DisconnectReason | undefined {
    const { session } = current
    const moved = session.downloaded.total + session.uploaded.total
    if (moved !== current.moved) {
      current.moved = moved
      current.movedAt = now
    }
    const isLong = now - current.startedAt >= seconds(options.turnSeconds)
    const isStalled = now - current.movedAt >= seconds(options.stallSeconds)
    const isUseless =
      session.isOutgoing &&
      !session.amInterested &&
      !session.peerInterested &&
      now - current.movedAt >= seconds(NOTHING_WANTED_SECONDS)
    if ((!isLong && !isStalled && !isUseless) || !this.#doOthersWait(now)) return undefined
    return isStalled ? 'stalled' : isUseless ? 'done' : 'turn-over'
  }

  /** In the queue, or among the addresses that could be dialled now. */
  #doOthersWait(now: Instant): boolean {
    if (this.#queue.size > 0) return true
    for (const torrent of this.#host.torrents.values()) {
      const dialAt = nextDialAt(torrent)
      if (dialAt !== undefined && dialAt <= now && torrent.peers.candidate(now) !== undefined) return true
    }
    return false
  }
}
