/**
 * Who may stay when places are short. At the door: a host has so many connections, and when nobody else fits
 * in, who has waited longest without introducing himself makes room (S16). Inside: all peers of a swarm keep
 * those of the highest canonical priority (BEP 40), so that who comes late finds a place somewhere; nobody
 * who owes us blocks is sent away for that. It decides; the client closes.
 */
import { compareBytes, equalBytes } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { scopeOfHost } from '../wire/address-scope.ts'
import type { Connection } from './connection.ts'
import type { OwnAddresses } from './own-addresses.ts'
import type { PeerSession } from './peer-session.ts'
import type { Torrent } from './torrent.ts'

export interface ConnectionSlotsOptions {
  /** Sessions of all torrents. */
  readonly connectionsMax: number
  /** 20 bytes. */
  readonly peerId: Uint8Array
}

export class ConnectionSlots {
  readonly #options: ConnectionSlotsOptions
  readonly #connections: ReadonlyMap<number, Connection>
  readonly #own: OwnAddresses

  constructor(
    options: ConnectionSlotsOptions,
    connections: ReadonlyMap<number, Connection>,
    own: OwnAddresses,
  ) {
    this.#options = options
    this.#connections = connections
    this.#own = own
  }

  /** The connection that ends because this one was accepted: it itself, another, or none. */
  atDoor(newcomer: Connection): number | undefined {
    const { host } = newcomer.endpoint
    let fromHost = 0
    let oldest: Connection | undefined
    for (const connection of this.#connections.values()) {
      if (connection.endpoint.host === host) fromHost++
      const isStranger = !connection.isOutgoing && connection.handshake === undefined
      if (isStranger && connection !== newcomer) oldest ??= connection
    }
    if (fromHost > LIMITS.connectionsPerHostMax.value && scopeOfHost(host) !== 'machine') return newcomer.id
    if (this.#connections.size <= this.#options.connectionsMax + LIMITS.strangersMax.value) return undefined
    return (oldest ?? newcomer).id
  }

  /** The one that ends because this one has introduced itself for the torrent. */
  inside(torrent: Torrent, newcomer: Connection): number | undefined {
    const { sessions, options } = torrent.core
    if (sessions.size < options.connectionsMax && !this.#isFull()) return undefined
    const priority = this.#own.priorityOf(newcomer.endpoint)
    let loser: PeerSession | undefined
    let least = priority ?? 0
    for (const session of sessions.values()) {
      const other = this.#own.priorityOf(session.listensAt ?? session.endpoint)
      if (other === undefined || other >= least || session.outstanding.size > 0) continue
      loser = session
      least = other
    }
    return (loser ?? newcomer).id
  }

  /**
   * The sessions that end because the same peer has come once more; undefined when that is the one to end.
   * Two peers that dial each other at the same moment must drop the same one of the two connections: the one
   * opened by the peer with the higher id stays.
   */
  doubles(torrent: Torrent, newcomer: Connection, peerId: Uint8Array): number[] | undefined {
    const weAreHigher = compareBytes(this.#options.peerId, peerId) > 0
    const doubles = [...torrent.core.sessions.values()].filter((other) => equalBytes(other.peerId, peerId))
    const { isOutgoing } = newcomer
    const isOurs = doubles.every((other) => other.isOutgoing !== isOutgoing && isOutgoing === weAreHigher)
    return isOurs ? doubles.map(({ id }) => id) : undefined
  }

  #isFull(): boolean {
    let count = 0
    for (const { session } of this.#connections.values()) if (session !== undefined) count++
    return count >= this.#options.connectionsMax
  }
}
