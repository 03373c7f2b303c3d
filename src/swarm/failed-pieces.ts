/**
 * What becomes of wrong bytes. In v2 a peer that has proven nothing yet is caught by its first wrong block
 * (`probation.ts`), and a piece whose hash does not fit goes on trial (`trials.ts`), which finds the wrong
 * blocks and keeps the right ones; everywhere else, and when that leads nowhere, all of the piece is missing
 * again and `blame.ts` finds out who spoiled it.
 */
import { earliest, type Instant } from '../base/time.ts'
import { BlockHashFetch } from './block-hash-fetch.ts'
import type { Downloader } from './downloader.ts'
import type { PeerSession } from './peer-session.ts'
import type { Penalties } from './penalties.ts'
import { type GatheringPiece, mainContributor } from './piece-tracker.ts'
import { Probation } from './probation.ts'
import type { TorrentCore } from './torrent-core.ts'
import { Trials } from './trials.ts'

export interface FailedPiecesHost {
  /** It may be picked again, if it is wanted. */
  openPiece(piece: number): void
  fillAll(now: Instant): void
}

export class FailedPieces {
  readonly fetch: BlockHashFetch
  readonly trials: Trials
  readonly #probation: Probation
  readonly #core: TorrentCore
  readonly #penalties: Penalties
  readonly #downloader: Downloader
  readonly #host: FailedPiecesHost

  constructor(core: TorrentCore, penalties: Penalties, downloader: Downloader, host: FailedPiecesHost) {
    this.#core = core
    this.#penalties = penalties
    this.#downloader = downloader
    this.#host = host
    this.fetch = new BlockHashFetch(core, this)
    this.trials = new Trials(core, this.fetch, this)
    this.#probation = new Probation(core, this.fetch, penalties)
    downloader.probation = this.#probation
  }

  left(now: Instant, session: PeerSession): void {
    this.fetch.left(now, session)
  }

  /** The piece is right and on disk. */
  verified(written: GatheringPiece): void {
    this.#probation.verified(written)
  }

  add(now: Instant, failed: GatheringPiece): void {
    const { emit, id } = this.#core
    const event = { event: 'piece-failed', piece: failed.piece, from: mainContributor(failed) } as const
    emit({ kind: 'event', torrent: id, event })
    // Who sent it alone needs no trial; the blocks that are right are worth one.
    this.#penalties.convictSole(failed)
    if (!this.trials.begin(now, failed)) this.#refute(now, failed)
    else this.#host.fillAll(now)
  }

  judged(now: Instant, failed: GatheringPiece, wrong: ReadonlySet<number> | undefined): void {
    // All blocks are right and the piece is not: a hybrid contradicts itself, and nobody is to blame for it.
    if (wrong === undefined || wrong.size === 0) return this.#refute(now, failed)
    this.#penalties.convict(failed, wrong)
    this.#core.pieces.reopen(failed, wrong)
    this.#downloader.reopened(failed)
    this.#host.fillAll(now)
  }

  told(gathering: GatheringPiece): void {
    this.#probation.told(gathering)
    this.trials.told(gathering)
  }

  untold(now: Instant, gathering: GatheringPiece): void {
    this.#probation.untold(gathering)
    this.trials.untold(now, gathering)
  }

  nextTimeout(now: Instant): Instant | undefined {
    const isDue = this.#probation.hasReleased || this.#penalties.hasCaught
    return earliest(isDue ? now : undefined, this.fetch.nextTimeout(now))
  }

  tick(now: Instant): void {
    this.fetch.tick(now)
    this.#penalties.sendCaughtAway()
    if (!this.#probation.hasReleased) return
    this.#probation.hasReleased = false
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
