/**
 * All that one torrent has to do with its trackers: announces under its infohash and, if wanted, under the
 * rebuilt one as well, by an announcer for each; and what Shoal trackers are told and asked besides. From
 * outside it is one announcer.
 * Invariants: the second tells no `completed`, which trackers count, and no events, so that its failures are
 * its own; `stopped` comes once, when both have left.
 */
import type { Machine } from '../base/machine.ts'
import type { Prng } from '../base/prng.ts'
import type { Result } from '../base/result.ts'
import { earliest, type Instant } from '../base/time.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import {
  Announcer,
  type AnnouncerInput,
  type AnnouncerMediator,
  type AnnouncerOptions,
  type AnnouncerOutput,
} from './announcer.ts'
import {
  TrackerExtension,
  type TrackerExtensionMediator,
  type TrackerExtensionOptions,
  type TrackerExtensionOutput,
} from './tracker-extension.ts'

export type AnnouncementsInput =
  | AnnouncerInput
  /** We have other pieces than before, perhaps fewer. */
  | { readonly kind: 'pieces-changed'; readonly areLost: boolean }
  /** A dial of this peer got an answer, or none. */
  | { readonly kind: 'dialled'; readonly endpoint: Endpoint; readonly isAnswered: boolean }
  | { readonly kind: 'called'; readonly id: number; readonly result: Result<unknown> }

export type AnnouncementsOutput =
  | Exclude<AnnouncerOutput, { kind: 'peers' | 'event' }>
  | Exclude<TrackerExtensionOutput, { kind: 'located' | 'event' }>
  | Extract<AnnouncerOutput | TrackerExtensionOutput, { kind: 'event' }>
  | (Omit<Extract<AnnouncerOutput, { kind: 'peers' }>, 'api'> & {
      /** They announced under the rebuilt infohash. */
      readonly isRebuilt: boolean
    })

export type AnnouncementsMediator = AnnouncerMediator & TrackerExtensionMediator
export type AnnouncementsOptions = AnnouncerOptions &
  Pick<TrackerExtensionOptions, 'registerEverySeconds' | 'refreshesLocations'>

export class Announcements implements Machine<AnnouncementsInput, AnnouncementsOutput> {
  /** The one under the torrent's own infohash first. One or two. */
  readonly #announcers: readonly Announcer[]
  readonly #extension: TrackerExtension
  /** Who of them has left since the last `stopped`. */
  readonly #left = new Set<number>()
  #now = 0 as Instant

  /** @param rebuilt 20 bytes; null for announces under the torrent's own infohash alone */
  constructor(
    options: AnnouncementsOptions,
    prng: Prng,
    mediator: AnnouncementsMediator,
    rebuilt: Uint8Array | null,
  ) {
    const own = new Announcer(options, prng, mediator)
    this.#announcers =
      rebuilt === null
        ? [own]
        : [own, new Announcer({ ...options, infoHash: rebuilt }, prng.fork('rebuilt'), mediator)]
    this.#extension = new TrackerExtension(options, mediator)
  }

  handle(now: Instant, input: AnnouncementsInput): void {
    this.#now = now
    switch (input.kind) {
      case 'pieces-changed':
        return this.#extension.piecesChanged(now, input.areLost)
      case 'dialled':
        return input.isAnswered
          ? this.#extension.answered(input.endpoint)
          : this.#extension.unanswered(input.endpoint)
      case 'called':
        return this.#extension.called(now, input.id, input.result)
      case 'answered': {
        const count = this.#announcers.length
        const id = Math.floor(input.id / count)
        return this.#announcers[input.id % count]!.handle(now, { ...input, id })
      }
      default:
        if (input.kind === 'stop') this.#extension.flush(now)
        else this.#extension.run(now)
        for (const [index, announcer] of this.#announcers.entries())
          if (index === 0 || input.kind !== 'completed') announcer.handle(now, input)
    }
  }

  answerTo(mediator: AnnouncementsMediator): void {
    for (const announcer of this.#announcers) announcer.answerTo(mediator)
    this.#extension.answerTo(mediator)
  }

  poll(): AnnouncementsOutput | undefined {
    for (let index = 0; index < this.#announcers.length; index++) {
      const announcer = this.#announcers[index]!
      for (let output = announcer.poll(); output !== undefined; output = announcer.poll()) {
        const passed = this.#passed(index, output)
        if (passed !== undefined) return passed
      }
    }
    const output = this.#extension.poll()
    if (output?.kind !== 'located') return output
    const { url, peers, from } = output
    return { kind: 'peers', url, peers, from, externalIp: undefined, isRebuilt: false }
  }

  nextTimeout(): Instant | undefined {
    let next = this.#extension.nextTimeout()
    for (const announcer of this.#announcers) next = earliest(next, announcer.nextTimeout())
    return next
  }

  /** What the outside gets to see of an announcer's output. */
  #passed(index: number, output: AnnouncerOutput): AnnouncementsOutput | undefined {
    const isRebuilt = index > 0
    switch (output.kind) {
      case 'announce':
        return { ...output, id: output.id * this.#announcers.length + index }
      case 'peers': {
        const { api, ...rest } = output
        if (!isRebuilt) this.#extension.announced(this.#now, output)
        return { ...rest, isRebuilt }
      }
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
