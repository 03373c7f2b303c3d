/** What a client is made with: identity, budgets and time-outs of all its torrents. */
import type { Endpoint } from '../wire/endpoint.ts'
import type { PieceBuffers } from './piece-buffers.ts'
import type { ServicesOptions } from './services.ts'
import type { EncryptionOptions } from './stream-encryption.ts'
import type { TurnsOptions } from './turns.ts'

/** Sees the bytes of every connection, in clear, as they pass. They are borrowed; it must not throw. */
export interface WireTap {
  passed(direction: 'in' | 'out', connection: TappedConnection | undefined, bytes: Uint8Array): void
}

/** The same object for one connection from its beginning to its end. */
export interface TappedConnection {
  readonly endpoint: Endpoint
}

export interface ClientOptions {
  /** 20 bytes. */
  readonly peerId: Uint8Array
  /** Program and version, told to peers. */
  readonly clientName: string
  readonly listenPort: number
  /** The one address we listen on; undefined for all. */
  readonly listenHost?: string
  readonly blockLength: number
  /** 0 = unlimited. */
  readonly uploadBytesPerSecond: number
  readonly downloadBytesPerSecond: number
  /** Connections of all torrents. */
  readonly connectionsMax: number
  readonly connectTimeoutSeconds: number
  readonly handshakeTimeoutSeconds: number
  /** A peer that owes blocks and sends none for so long is snubbed and its blocks are given to others. */
  readonly requestTimeoutSeconds: number
  /** A session without a byte from the other side ends. */
  readonly idleTimeoutSeconds: number
  /** Each block waits so long before it is sent. */
  readonly uploadDelaySeconds?: number
  /** One session at a time; undefined = any number. */
  readonly turns?: TurnsOptions | undefined
  readonly buffers?: PieceBuffers
  readonly encryption?: EncryptionOptions
  /** What other Shoal peers may ask of this one; undefined = nothing. */
  readonly services?: ServicesOptions
  /** Nobody looks by default. */
  readonly wireTap?: WireTap | undefined
}
