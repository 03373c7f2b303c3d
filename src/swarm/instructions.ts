/**
 * What whoever owns a torrent tells it: what became of its pieces on disk, when to rest,
 * in which order to pick.
 */
import type { Instant } from '../base/time.ts'
import type { SwarmInput } from './effects.ts'
import type { Torrent } from './torrent.ts'

type Kind = 'pieces-lost' | 'pieces-found' | 'pause' | 'resume' | 'set-pick-order'
export type Instruction = Extract<SwarmInput, { kind: Kind }>

export function instruct(torrent: Torrent, now: Instant, input: Instruction): void {
  switch (input.kind) {
    case 'pieces-lost':
      return torrent.lost(now, input.pieces)
    case 'pieces-found':
      return torrent.found(now, input.pieces)
    case 'pause':
      return torrent.pause(input.fault)
    case 'resume':
      return torrent.resume(now)
    case 'set-pick-order':
      torrent.core.picker.pickOrder = input.order
  }
}
