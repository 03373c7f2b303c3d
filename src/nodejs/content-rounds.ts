/**
 * Looks at the content of all torrents of a node, a little every second: first where peers are at work, and
 * the rest in turn. Invariant: a round costs a bounded number of looks, however many torrents and files.
 */
import type { ContentCare } from './content-care.ts'

const EVERY_MS = 1000
/** Files looked at in one round, all torrents together: about a millisecond. */
const LOOKS_MAX = 256
/** Of one torrent, so that one with many files does not keep the others waiting. */
const LOOKS_OF_ONE_MAX = 64

export class ContentRounds {
  /** In turn. One for each torrent. */
  readonly #cares: ContentCare[] = []
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#look(), EVERY_MS)
    this.#timer.unref()
  }

  add(care: ContentCare): void {
    this.#cares.push(care)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    let looks = LOOKS_MAX
    for (let turns = this.#cares.length; turns > 0 && looks > 0; turns--) {
      const care = this.#cares.shift()!
      this.#cares.push(care)
      looks -= Math.max(1, care.look(Math.min(looks, LOOKS_OF_ONE_MAX)))
    }
  }
}
