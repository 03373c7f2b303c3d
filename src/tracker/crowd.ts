/**
 * Who gives way when all places of a table are taken and a newcomer wants one (S25): the busiest source, as
 * a random sample of the places shows it. A source that made up a million swarms stands in nearly all of a
 * sample, an honest one hardly twice. So nothing is kept of sources, and nothing is done while there is
 * room. Figures: docs/decisions/0017-the-busiest-source-gives-way.md.
 *
 * A holder is as busy as the number of sampled places its source has; where a block (/24, /48) shows
 * `BLOCK_SOURCES_MIN` sources, the block is taken for one source. A place is as busy as the least busy of its
 * holders, so a swarm in which anybody honest is gives way to nobody.
 * Invariants: who gives way has at least `BUSY_MIN` of the sampled places, and more than the newcomer. What
 * is drawn once serves all newcomers of that second, until its candidates are used up; where it has
 * none, all of that second are refused. So neither a flood by one source nor a crowd of honest peers makes it
 * draw often.
 * Bounded by `SAMPLE_PLACES`.
 */
import type { Prng } from '../base/prng.ts'
import { SourceList } from './source-list.ts'

export const NO_PLACE = -1

const SAMPLE_PLACES = 256
/** Sampled places that make a source busy: what two of 256 can be by chance, see the decision. */
const BUSY_MIN = 2
/** Neighbours of one flooder do not pay for it; who floods from more addresses has the block. */
const BLOCK_SOURCES_MIN = 4

/** Puts the sources that hold a place into the list; none when the place is never to be given away. */
export type ListHolders = (place: number, list: SourceList) => void

interface Candidate {
  readonly place: number
  readonly busyness: number
}

export class Crowd {
  readonly #prng: Prng
  readonly #listHolders: ListHolders
  /** Of the place or the newcomer at hand. */
  readonly #holders: SourceList
  /** How many sampled places each has. */
  readonly #placesOfSource = new Map<number, number>()
  readonly #placesOfBlock = new Map<number, number>()
  readonly #sourcesOfBlock = new Map<number, number>()
  /** The busiest last. */
  #candidates: Candidate[] = []
  #drawnAt = Number.NaN
  #foundNobody = false

  constructor(prng: Prng, listHolders: ListHolders) {
    this.#prng = prng
    this.#listHolders = listHolders
    this.#holders = new SourceList(prng.uint32())
  }

  /**
   * The place to be taken from its holders for a newcomer; NO_PLACE when nobody has to give way to this one.
   * @param count of places, all of them taken
   * @param address of the newcomer, 4 or 16 bytes
   */
  vacate(nowSeconds: number, count: number, address: Uint8Array): number {
    if (this.#drawnAt !== nowSeconds) this.#draw(nowSeconds, count)
    while (!this.#foundNobody) {
      for (let candidate = this.#candidates.at(-1); candidate; candidate = this.#candidates.at(-1)) {
        // It may have other holders by now, so that what counts is who they are.
        const busyness = this.#busynessOf(candidate.place)
        if (busyness >= BUSY_MIN && busyness <= this.#busynessAt(address)) return NO_PLACE
        this.#candidates.pop()
        if (busyness >= BUSY_MIN) return this.#give(candidate.place)
      }
      this.#draw(nowSeconds, count)
    }
    return NO_PLACE
  }

  #draw(nowSeconds: number, count: number): void {
    this.#drawnAt = nowSeconds
    this.#placesOfSource.clear()
    this.#placesOfBlock.clear()
    this.#sourcesOfBlock.clear()
    const places = this.#drawPlaces(count)
    for (const place of places) this.#count(place, 1)
    this.#candidates = []
    for (const place of places) {
      const busyness = this.#busynessOf(place)
      if (busyness >= BUSY_MIN) this.#candidates.push({ place, busyness })
    }
    this.#candidates.sort((one, other) => one.busyness - other.busyness)
    this.#foundNobody = this.#candidates.length === 0
  }

  #drawPlaces(count: number): Iterable<number> {
    if (count <= SAMPLE_PLACES) return Array.from({ length: count }, (_, place) => place)
    const places = new Set<number>()
    while (places.size < SAMPLE_PLACES) places.add(this.#prng.below(count))
    return places
  }

  /** Adds the place to what its holders have, or takes it away. */
  #count(place: number, change: 1 | -1): void {
    this.#list(place)
    const { sources, blocks } = this.#holders
    for (const [i, source] of sources.entries()) {
      const block = blocks[i]!
      const before = this.#placesOfSource.get(source)
      this.#placesOfSource.set(source, (before ?? 0) + change)
      if (before === undefined) this.#sourcesOfBlock.set(block, (this.#sourcesOfBlock.get(block) ?? 0) + 1)
      if (blocks.indexOf(block) === i)
        this.#placesOfBlock.set(block, (this.#placesOfBlock.get(block) ?? 0) + change)
    }
  }

  #give(place: number): number {
    this.#count(place, -1)
    return place
  }

  #busynessOf(place: number): number {
    this.#list(place)
    return this.#busyness()
  }

  #busynessAt(address: Uint8Array): number {
    this.#holders.clear()
    this.#holders.add(address, 0, address.length)
    return this.#busyness()
  }

  /** That of the least busy holder; 0 when there is none. */
  #busyness(): number {
    const { sources, blocks } = this.#holders
    let least = sources.length === 0 ? 0 : SAMPLE_PLACES
    for (const [i, source] of sources.entries()) {
      const block = blocks[i]!
      const isOneSource = (this.#sourcesOfBlock.get(block) ?? 0) >= BLOCK_SOURCES_MIN
      const places = isOneSource ? this.#placesOfBlock.get(block) : this.#placesOfSource.get(source)
      least = Math.min(least, places ?? 0)
    }
    return least
  }

  #list(place: number): void {
    this.#holders.clear()
    this.#listHolders(place, this.#holders)
  }
}
