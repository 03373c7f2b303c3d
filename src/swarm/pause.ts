/**
 * A torrent that rests because its disk, or the torrent itself, cannot be used: it fetches nothing, and
 * serves nothing either while its content is gone as a whole. Peers stay connected, so that it goes on
 * at once when the cause is over.
 * Invariant: content that is gone outranks every other reason, and each reason is told once.
 */
import type { Fault } from '../base/result.ts'
import type { Downloader } from './downloader.ts'
import type { SwarmEvent } from './events.ts'
import type { Holdings } from './holdings.ts'
import type { TorrentCore } from './torrent-core.ts'
import type { UploadSlots } from './upload-slots.ts'
import type { WebSeeds } from './web-seeds.ts'

/** The folder, or the volume it is on, is not there: no read or write of this torrent can succeed. */
export const CONTENT_GONE = 'storage/content-gone'

/**
 * A piece has the v1 hash it should have and not the v2 one, or the other way round: nothing can fit both.
 */
export const INCONSISTENT_HYBRID: Fault = {
  code: 'transfer/inconsistent-hybrid',
  message: 'the v1 and v2 hashes of this hybrid torrent are those of different content',
  hint: 'Do not use it; its publisher should make it anew.',
}

export class Pause {
  /** Why it rests; undefined while it does not. */
  fault: Fault | undefined
  readonly #core: TorrentCore
  readonly #downloader: Downloader
  readonly #holdings: Holdings
  readonly #slots: UploadSlots
  readonly #webSeeds: WebSeeds

  constructor(
    core: TorrentCore,
    downloader: Downloader,
    holdings: Holdings,
    slots: UploadSlots,
    webSeeds: WebSeeds,
  ) {
    this.#core = core
    this.#webSeeds = webSeeds
    this.#downloader = downloader
    this.#holdings = holdings
    this.#slots = slots
  }

  begin(fault: Fault): void {
    const before = this.fault?.code
    if (before === fault.code || before === CONTENT_GONE) return
    this.fault = fault
    if (before === undefined) {
      for (const session of this.#core.sessions.values()) this.#downloader.release(session)
      this.#webSeeds.halt()
      this.#holdings.loseInterest()
    }
    if (fault.code === CONTENT_GONE) this.#slots.close()
    const { code, message: reason, hint } = fault
    this.#tell({ event: 'paused', code, reason, ...(hint !== undefined && { hint }) })
  }

  end(): void {
    this.fault = undefined
    this.#slots.open()
    this.#tell({ event: 'resumed' })
    this.#holdings.recountAll()
  }

  #tell(event: SwarmEvent): void {
    this.#core.emit({ kind: 'event', torrent: this.#core.id, event })
  }
}
