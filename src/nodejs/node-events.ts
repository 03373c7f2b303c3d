/**
 * What a peer node tells, beside what the swarm tells of its torrents. Names and fields are
 * a contract with other programs.
 */
import type { SwarmEvent } from '../swarm/events.ts'
import type { TraceEvent } from './transfer-trace.ts'

export type NodeEvent =
  | SwarmEvent
  | TraceEvent
  | { readonly event: 'listening'; readonly service: 'peer'; readonly host: string; readonly port: number }
  /** Peers have sent what a magnet link only names. */
  | { readonly event: 'metadata'; readonly infoHash: string; readonly name: string }
  | { readonly event: 'checked'; readonly pieces: number; readonly total: number }
  | {
      readonly event: 'progress'
      readonly bytes: number
      readonly total: number
      readonly downloadRate: number
      readonly uploadRate: number
      readonly peers: number
      /** Null while nothing comes in. */
      readonly etaSeconds: number | null
    }
  | {
      readonly event: 'complete'
      readonly infoHash: string
      readonly bytes: number
      readonly seconds: number
    }
  | { readonly event: 'verified'; readonly pieces: number; readonly files: number }
  | { readonly event: 'compromised'; readonly pieces: readonly number[] }
  | { readonly event: 'seeding' }
  /** It stops, and blocks are still on their way to so many peers. */
  | { readonly event: 'draining'; readonly uploads: number }
  | { readonly event: 'stopped' }
  /** Peers of the local network will not be found, which is nobody's fault. */
  | { readonly event: 'lan-unavailable'; readonly message: string }
  | { readonly event: 'warning'; readonly code: string; readonly message: string; readonly hint?: string }
