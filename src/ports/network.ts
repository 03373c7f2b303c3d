/**
 * Connections to peers. Ids of incoming connections are negative and chosen by the network, those of
 * outgoing ones are positive and chosen by the caller. Calls to the sink come in later turns, never
 * from inside a call to the network.
 * Invariant: after `closed`, or after `close` was called, nothing more is heard of a connection.
 */
import type { DisconnectReason } from '../swarm/events.ts'
import type { Frame } from '../swarm/frame-pool.ts'
import type { Endpoint } from '../wire/endpoint.ts'

export interface NetworkSink {
  incoming(connection: number, address: Endpoint): void
  connected(connection: number): void
  /** `bytes` is borrowed until the call returns. */
  received(connection: number, bytes: Uint8Array): void
  /** The kernel took what was sent with this frame. */
  sent(connection: number, frame: Frame): void
  closed(connection: number, reason: DisconnectReason): void
}

export interface Network {
  /** Where incoming connections are taken in; undefined when none are. */
  readonly endpoint: Endpoint | undefined
  /** From now on events go here. */
  open(sink: NetworkSink): void
  connect(connection: number, endpoint: Endpoint): void
  /** The bytes belong to the network until sent; with `frame` the sink hears when that is. */
  send(connection: number, bytes: Uint8Array, frame?: Frame): void
  /** Flushes what was sent, then closes. */
  close(connection: number): void
}
