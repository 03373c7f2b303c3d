/**
 * Every message between this peer and others, for the log file: one event for each, with what its head says.
 * It stands beside the engine and is only there when somebody keeps a log.
 */
import type { TappedConnection, WireTap } from '../swarm/client-options.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import { FrameScanner, type ScannedMessage } from '../wire/frame-scanner.ts'

export interface WireEvent extends ScannedMessage {
  readonly event: 'wire'
  readonly direction: 'in' | 'out'
  readonly address: string
}

interface Scanners {
  readonly in: FrameScanner
  readonly out: FrameScanner
}

export class WireLog implements WireTap {
  readonly #tell: (event: WireEvent) => void
  /** They go with their connections. */
  readonly #scanners = new WeakMap<TappedConnection, Scanners>()

  constructor(tell: (event: WireEvent) => void) {
    this.#tell = tell
  }

  passed(direction: 'in' | 'out', connection: TappedConnection | undefined, bytes: Uint8Array): void {
    if (connection === undefined) return
    let scanners = this.#scanners.get(connection)
    if (scanners === undefined) {
      const address = formatEndpoint(connection.endpoint)
      const scanner = (way: 'in' | 'out') =>
        new FrameScanner((message) => this.#tell({ event: 'wire', direction: way, address, ...message }))
      this.#scanners.set(connection, (scanners = { in: scanner('in'), out: scanner('out') }))
    }
    scanners[direction].push(bytes)
  }
}
