/**
 * What becomes of a piece whose hash does not fit. In v2 it goes on trial first (`trials.ts`), which finds
 * the wrong blocks and keeps the right ones; everywhere else, and when that leads nowhere, all of it is
 * missing again and `blame.ts` finds out who spoiled it.
 */
import type { Instant } from '../base/time.ts'
import type { Downloader } from './downloader.ts'
import type { Penalties } from './penalties.ts'
import { type GatheringPiece, mainContributor } from './piece-tracker.ts'
import type { TorrentCore } from './torrent-core.ts'
import { Trials } from './trials.ts'

export interface FailedPiecesHost {
  /** It may be picked again, if it is wanted. */
  openPiece(piece: number): void
  fillAll(now: Instant): void
}

export class FailedPieces {
  readonly trials: Trials
  readonly #core: TorrentCore
  readonly #penalties: Penalties
  readonly #downloader: Downloader
  readonly #host: FailedPiecesHost

  constructor(core: TorrentCore, penalties: Penalties, downloader: Downloader, host: FailedPiecesHost) {
    this.#core = core
    this.#penalties = penalties
    this.#downloader = downloader
    this.#host = host
    this.trials = new Trials(core, this)
  }

  add(now: Instant, failed: GatheringPiece): void {
    const { emit, id } = this.#core
    const event = { event: 'piece-failed', piece: failed.piece, from: mainContributor(failed) } as const
    emit({ kind: 'event', torrent: id, event })
    // Who sent it alone needs no trial; the blocks that are right are worth one.
    this.#penalties.convictSole(failed)
    if (!this.trials.begin(now, failed)) this.#refute(now, failed)
  }

  judged(now: Instant, failed: GatheringPiece, wrong: ReadonlySet<number> | undefined): void {
    // All blocks are right and the piece is not: a hybrid contradicts itself, and nobody is to blame for it.
    if (wrong === undefined || wrong.size === 0) return this.#refute(now, failed)
    this.#penalties.convict(failed, wrong)
    this.#core.pieces.reopen(failed, wrong)
    this.#downloader.reopened(failed)
    this.#host.fillAll(now)
  }

  #refute(now: Instant, failed: GatheringPiece): void {
    const punish = this.#penalties.pieceFailed(failed)
    this.#core.pieces.refute(failed.piece)
    this.#host.openPiece(failed.piece)
    punish()
    this.#host.fillAll(now)
  }
}
