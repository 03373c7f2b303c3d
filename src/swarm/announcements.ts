/**
 * All announces of one torrent: under its infohash and, if wanted, under the rebuilt one as well, by an
 * announcer for each. From outside they are one announcer.
 * Invariants: the second tells no `completed`, which trackers count, and no events, so that its failures are
 * its own; `stopped` comes once, when both have left.
 */
import type { Machine } from '../base/machine.ts'
import type { Prng } from '../base/prng.ts'
import { earliest, type Instant } from '../base/time.ts'
import type { TrackerFault } from '../wire/tracker-announce.ts'
import {
  Announcer,
  type AnnouncerInput,
  type AnnouncerMediator,
  type AnnouncerOptions,
  type AnnouncerOutput,
} from './announcer.ts'

export type AnnouncementsOutput =
  | Exclude<AnnouncerOutput, { kind: 'peers' }>
  | (Extract<AnnouncerOutput, { kind: 'peers' }> & {
      /** They announced under the rebuilt infohash. */
      readonly isRebuilt: boolean
    })

export class Announcements implements Machine<AnnouncerInput, AnnouncementsOutput> {
  /** The one under the torrent's own infohash first. One or two. */
  readonly #announcers: readonly Announcer[]
  /** Who of them has left since the last `stopped`. */
  readonly #left = new Set<number>()

  /** @param rebuilt 20 bytes; null for announces under the torrent's own infohash alone */
  constructor(
    options: AnnouncerOptions,
    prng: Prng,
    mediator: AnnouncerMediator,
    rebuilt: Uint8Array | null,
  ) {
    const own = new Announcer(options, prng, mediator)
    this.#announcers =
      rebuilt === null
        ? [own]
        : [own, new Announcer({ ...options, infoHash: rebuilt }, prng.fork('rebuilt'), mediator)]
  }

  handle(now: Instant, input: AnnouncerInput): void {
    if (input.kind === 'answered') {
      const count = this.#announcers.length
      const id = Math.floor(input.id / count)
      return this.#announcers[input.id % count]!.handle(now, { ...input, id })
    }
    for (const [index, announcer] of this.#announcers.entries())
      if (index === 0 || input.kind !== 'completed') announcer.handle(now, input)
  }

  answerTo(mediator: AnnouncerMediator): void {
    for (const announcer of this.#announcers) announcer.answerTo(mediator)
  }

  /** Why no tracker helps; undefined while one does, or may. */
  get trouble(): TrackerFault | undefined {
    return this.#announcers[0]!.trouble
  }

  poll(): AnnouncementsOutput | undefined {
    for (let index = 0; index < this.#announcers.length; index++) {
      const announcer = this.#announcers[index]!
      for (let output = announcer.poll(); output !== undefined; output = announcer.poll()) {
        const passed = this.#passed(index, output)
        if (passed !== undefined) return passed
      }
    }
    return undefined
  }

  nextTimeout(): Instant | undefined {
    let next: Instant | undefined
    for (const announcer of this.#announcers) next = earliest(next, announcer.nextTimeout())
    return next
  }

  /** What the outside gets to see of an announcer's output. */
  #passed(index: number, output: AnnouncerOutput): AnnouncementsOutput | undefined {
    const isRebuilt = index > 0
    switch (output.kind) {
      case 'announce':
        return { ...output, id: output.id * this.#announcers.length + index }
      case 'peers':
        return { ...output, isRebuilt }
      case 'event':
        return isRebuilt ? undefined : output
      case 'stopped':
        this.#left.add(index)
        if (this.#left.size < this.#announcers.length) return undefined
        this.#left.clear()
        return output
    }
  }
}
