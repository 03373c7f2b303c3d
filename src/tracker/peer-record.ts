/**
 * How parts of the tracker speak of one peer in one swarm: a number that holds until it leaves, and what is
 * known of it.
 */

/** Slot of the peer's table, times two, plus one for IPv6. Void once the watcher has heard `left`. */
export type PeerRef = number & { readonly __peerRef: never }

export interface SwarmWatcher {
  joined(ref: PeerRef): void
  /** Called while the peer is still there; also when another peer id takes its address. */
  left(ref: PeerRef): void
}

/** Whether the tracker could connect to it: it could once, never so far, or has not tried. */
export type Reach = 'reached' | 'unreachable' | 'untried'

/** What is known of a peer in a swarm. */
export interface KnownPeer {
  /** 20 bytes. */
  readonly infoHash: Uint8Array
  /** 4 or 16 bytes. */
  readonly address: Uint8Array
  readonly port: number
  /** 20 bytes. */
  readonly peerId: Uint8Array
  readonly isSeed: boolean
  readonly reach: Reach
}

export interface PeerRecord extends KnownPeer {
  readonly ref: PeerRef
}

export function refOf(slot: number, isV6: boolean): PeerRef {
  return (slot * 2 + (isV6 ? 1 : 0)) as PeerRef
}

export function slotOf(ref: PeerRef): number {
  return ref >>> 1
}
