/**
 * Who may request from us: a round every ten seconds gives the slots to the interested peers that served us
 * best (as a seed: that we serve best), and one slot rotates so that newcomers get a chance (BEP 3,
 * "choking and optimistic unchoking").
 * Pure policy: it looks at rates and answers with the set of peers to keep unchoked.
 */
import type { Prng } from '../base/prng.ts'

export const CHOKE_ROUND_SECONDS = 10
/** Every third round the optimistic slot moves on. */
const ROUNDS_PER_OPTIMISTIC = 3
/** A peer that just connected is this much likelier to be the optimistic one (BEP 3). */
const NEWCOMER_WEIGHT = 3
const NEWCOMER_SECONDS = 60

export interface ChokeCandidate {
  readonly id: number
  readonly isInterested: boolean
  /** It owes us blocks and does not send them. */
  readonly isSnubbed: boolean
  /** Bytes per second it gives us, or while seeding that we give it. */
  readonly rate: number
  readonly connectedSeconds: number
}

export class Choker {
  readonly #prng: Prng
  #round = 0
  #optimistic: number | undefined

  constructor(prng: Prng) {
    this.#prng = prng
  }

  /** The peers to leave unchoked until the next round; never more than `slotCount`. */
  round(candidates: readonly ChokeCandidate[], slotCount: number): Set<number> {
    const interested = candidates.filter((peer) => peer.isInterested)
    const moves = this.#round++ % ROUNDS_PER_OPTIMISTIC === 0
    if (interested.length <= slotCount) return new Set(interested.map((peer) => peer.id))
    const ranked = this.#prng
      .shuffle([...interested])
      .sort((a, b) => Number(a.isSnubbed) - Number(b.isSnubbed) || b.rate - a.rate)
    const unchoked = new Set(ranked.slice(0, Math.max(0, slotCount - 1)).map((peer) => peer.id))
    const rest = ranked.filter((peer) => !unchoked.has(peer.id))
    const stays = !moves && rest.some((peer) => peer.id === this.#optimistic)
    if (!stays) this.#optimistic = this.#drawOptimistic(rest)
    if (this.#optimistic !== undefined && slotCount > 0) unchoked.add(this.#optimistic)
    return unchoked
  }

  #drawOptimistic(rest: readonly ChokeCandidate[]): number | undefined {
    const tickets = rest.flatMap((peer) =>
      new Array<number>(peer.connectedSeconds < NEWCOMER_SECONDS ? NEWCOMER_WEIGHT : 1).fill(peer.id),
    )
    return tickets.length === 0 ? undefined : tickets[this.#prng.below(tickets.length)]
  }
}
