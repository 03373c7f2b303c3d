/**
 * Draws members of a swarm without putting any back, each as likely as any other that is left: the first
 * steps of a Fisher-Yates shuffle of their positions. The positions of every swarm are parts of one array,
 * which is in order between draws: so a draw writes to what is small and at hand, and not to the swarm.
 * Chance is one number of the generator for each draw, stretched by xorshift32 (Marsaglia, 2003); the bias of
 * scaling it is less than one in 2^32 for each member.
 * Bounded by the largest swarm drawn from: 12 bytes a member.
 */
import type { Prng } from '../base/prng.ts'

const TWO_TO_32 = 0x1_0000_0000

export class MemberDraw {
  /** What was drawn last, in the order of drawing. */
  positions = new Int32Array(0)
  readonly #prng: Prng
  /** `#order[i] === i` between draws. */
  #order = new Int32Array(0)
  /** The places that the draw at hand changed. */
  #changed = new Int32Array(0)

  constructor(prng: Prng) {
    this.#prng = prng
  }

  /**
   * Up to `wanted` of `count` positions, those below `front` first.
   * @returns how many there are in `positions`
   */
  draw(count: number, front: number, wanted: number): number {
    if (count > this.#order.length) this.#grow(count)
    const order = this.#order
    const changed = this.#changed
    const positions = this.positions
    const drawn = wanted < count ? wanted : count
    // Zero would stay zero.
    let chance = this.#prng.uint32() | 1
    for (let at = 0; at < drawn; at++) {
      const end = at < front ? front : count
      chance ^= chance << 13
      chance ^= chance >>> 17
      chance ^= chance << 5
      const from = at + Math.floor((chance >>> 0) * ((end - at) / TWO_TO_32))
      positions[at] = order[from]!
      // The place `at` is not looked at again, so its position moves to where the drawn one was.
      order[from] = order[at]!
      changed[at] = from
    }
    for (let at = 0; at < drawn; at++) order[changed[at]!] = changed[at]!
    return drawn
  }

  #grow(count: number): void {
    const capacity = 2 ** Math.ceil(Math.log2(count))
    this.#order = new Int32Array(capacity)
    for (let i = 0; i < capacity; i++) this.#order[i] = i
    this.#changed = new Int32Array(capacity)
    this.positions = new Int32Array(capacity)
  }
}
