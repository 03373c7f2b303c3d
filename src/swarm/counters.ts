/**
 * What a peer counts of its doings, under names that stay. Other programs read them: a name is never given
 * another meaning. The first eleven are the kinds of activity of the `payload` system.
 */

/** Name -> what is counted, for people. */
export const COUNTERS = {
  peer_started: 'times this peer began to listen',
  peer_stopped: 'times it stopped in good order',
  connection_dialled: 'peers it dialled',
  connection_closed: 'connections to peers that ended',
  payload_uploaded: 'payload strings given to a tracker',
  payload_queried: 'payload strings asked of a tracker',
  claims_asked: 'queries about chunk positions sent to other peers',
  claims_answered: 'queries about chunk positions read and answered',
  peer_registered: 'torrents registered at a tracker: the first announce that was answered',
  peer_deregistered: 'torrents deregistered at a tracker',
  peers_queried: 'further announces that were answered with peers',
  announce_failed: 'announces that were refused or not answered',
  handshake_done: 'peers that introduced themselves',
  piece_verified: 'pieces received and right',
  piece_failed: 'pieces received and wrong',
  peer_banned: 'peers sent away for wrong data',
  protocol_error: 'peers that broke the protocol',
  torrent_complete: 'downloads completed',
} as const

export type CounterName = keyof typeof COUNTERS

export const COUNTER_NAMES = Object.keys(COUNTERS) as CounterName[]

export class Counters {
  readonly #counts = new Map<string, number>(COUNTER_NAMES.map((name) => [name, 0]))

  count(name: CounterName): void {
    this.#counts.set(name, this.#counts.get(name)! + 1)
  }

  /** Every counter, those at 0 too, in the order of the table. */
  all(): ReadonlyMap<string, number> {
    return this.#counts
  }
}

/** Counts of several ids, added up. */
export function sumOf(all: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const sum = new Map<string, number>(COUNTER_NAMES.map((name) => [name, 0]))
  for (const counts of all) for (const [name, count] of counts) sum.set(name, (sum.get(name) ?? 0) + count)
  return sum
}
