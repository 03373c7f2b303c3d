/**
 * What a torrent needs of the client around it: shared budgets and memory, identity, and
 * the way to the connections.
 */
import type { TokenBucket } from '../base/token-bucket.ts'
import type { SwarmOutput } from './effects.ts'
import type { DisconnectReason } from './events.ts'
import type { FramePool } from './frame-pool.ts'
import type { OwnAddresses } from './own-addresses.ts'
import type { PeerSession } from './peer-session.ts'
import type { PieceBuffers } from './piece-buffers.ts'
import type { Torrent } from './torrent.ts'
import type { UploadDelay } from './upload-delay.ts'
import type { WebRangeCount } from './web-seeds.ts'

export interface TorrentSurroundings {
  /** Bytes: 16 KiB, larger only in simulations. */
  readonly blockLength: number
  readonly buffers: PieceBuffers
  readonly frames: FramePool
  readonly downloadBudget: TokenBucket
  readonly uploadBudget: TokenBucket
  readonly requestTimeoutSeconds: number
  readonly uploadDelay: UploadDelay
  /** 20 bytes. */
  readonly peerId: Uint8Array
  /** TCP port, as announced. */
  readonly listenPort: number
  readonly own: OwnAddresses
  readonly webRanges: WebRangeCount
  emit(output: SwarmOutput): void
  close(connection: number, reason: DisconnectReason): void
  /** Its writer is not empty any more. */
  hasToSend(session: PeerSession): void
  /** BEP 10 handshake, again whenever what it says has changed. */
  sendExtensions(torrent: Torrent, session: PeerSession): void
}
