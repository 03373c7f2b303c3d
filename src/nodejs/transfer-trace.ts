/**
 * Every request and every block as an event, for `--verbose serve` and `--verbose fetch=2`. Reads what the
 * swarm machine puts out; made only when somebody asked for it, so that transfers do not pay for it.
 * Requests on an encrypted connection cannot be read here; their pieces are told all the same.
 */
import { readUint32 } from '../base/bytes.ts'
import type { SwarmOutput } from '../swarm/effects.ts'
import { formatEndpoint } from '../wire/endpoint.ts'

/** 0 nothing, 1 pieces, 2 blocks as well. */
export interface TraceLevels {
  readonly serve: number
  readonly fetch: number
}

export type TraceEvent =
  /** The first block of a piece after one of another piece. */
  | { readonly event: 'piece-served'; readonly piece: number }
  | {
      readonly event: 'block-served'
      readonly piece: number
      /** Bytes from the start of the piece, and how many. */
      readonly begin: number
      readonly length: number
    }
  | {
      readonly event: 'block-requested'
      /** Null where the peer came to us. */
      readonly address: string | null
      readonly piece: number
      readonly begin: number
      readonly length: number
    }
  /** All its blocks are here; it is being hashed. */
  | { readonly event: 'piece-received'; readonly piece: number }

const REQUEST_ID = 6
const REQUEST_LENGTH = 13

export class TransferTrace {
  readonly #levels: TraceLevels
  readonly #tell: (torrent: number | undefined, event: TraceEvent) => void
  /** Of peers that were dialled. Bounded by the connections of the node. */
  readonly #addresses = new Map<number, string>()
  #lastServed = ''

  constructor(levels: TraceLevels, tell: (torrent: number | undefined, event: TraceEvent) => void) {
    this.#levels = levels
    this.#tell = tell
  }

  output(output: SwarmOutput): void {
    switch (output.kind) {
      case 'connect':
        this.#addresses.set(output.connection, formatEndpoint(output.endpoint))
        return
      case 'close':
        this.#addresses.delete(output.connection)
        return
      case 'send':
        if (this.#levels.fetch >= 2) this.#requests(output.connection, output.bytes)
        return
      case 'hash-piece':
        if (this.#levels.fetch >= 2)
          this.#tell(output.torrent, { event: 'piece-received', piece: output.piece })
        return
      case 'read-blocks':
        return this.#served(output)
      default:
    }
  }

  #served({ torrent, piece, begin, views }: Extract<SwarmOutput, { kind: 'read-blocks' }>): void {
    const served = `${torrent} ${piece}`
    if (this.#levels.serve >= 1 && served !== this.#lastServed)
      this.#tell(torrent, { event: 'piece-served', piece })
    this.#lastServed = served
    if (this.#levels.serve < 2) return
    const length = views.reduce((sum, view) => sum + view.length, 0)
    this.#tell(torrent, { event: 'block-served', piece, begin, length })
  }

  /** Messages one after the other (BEP 3); anything else ends it. */
  #requests(connection: number, bytes: Uint8Array): void {
    for (let at = 0; at + 4 <= bytes.length; ) {
      const length = readUint32(bytes, at)
      if (length === REQUEST_LENGTH && bytes[at + 4] === REQUEST_ID && at + 17 <= bytes.length)
        this.#tell(undefined, {
          event: 'block-requested',
          address: this.#addresses.get(connection) ?? null,
          piece: readUint32(bytes, at + 5),
          begin: readUint32(bytes, at + 9),
          length: readUint32(bytes, at + 13),
        })
      at += 4 + length
    }
  }
}
