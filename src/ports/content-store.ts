/**
 * The bytes of one torrent on disk. Invariant: only verified pieces are ever written; calls complete
 * in a later turn, in any order.
 */
import type { Fault } from '../base/result.ts'

export interface ContentStore {
  /** Writes a whole verified piece; `bytes` stays untouched until `done`. */
  write(piece: number, bytes: Uint8Array, done: (fault: Fault | undefined) => void): void
  /** Fills the views one after the other with the piece's bytes from `begin` on. */
  read(
    piece: number,
    begin: number,
    views: readonly Uint8Array[],
    done: (fault: Fault | undefined) => void,
  ): void
}
