/** What the parts of one torrent share: its state, its surroundings, and the way out for effects. */
import type { Env } from '../base/env.ts'
import type { RateMeter } from '../base/rate-meter.ts'
import type { Blame } from './blame.ts'
import type { SwarmOutput } from './effects.ts'
import type { Geometry } from './geometry.ts'
import type { PeerSession } from './peer-session.ts'
import type { PiecePicker } from './piece-picker.ts'
import type { PieceTracker } from './piece-tracker.ts'
import type { TorrentOptions } from './torrent-options.ts'

export interface TorrentCore {
  readonly id: number
  readonly options: TorrentOptions
  readonly env: Env
  readonly geometry: Geometry
  readonly pieces: PieceTracker
  readonly picker: PiecePicker
  readonly blame: Blame
  /** By connection id. Bounded by the torrent's `connectionsMax`. */
  readonly sessions: Map<number, PeerSession>
  readonly downloaded: RateMeter
  readonly uploaded: RateMeter
  emit(output: SwarmOutput): void
}
