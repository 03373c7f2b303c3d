/**
 * Executes what the swarm machine wants over the ports: connections, content, hashing,
 * trackers. It decides nothing.
 * The same driver runs on Node.js and in the simulator.
 */
import { assert } from '../base/assert.ts'
import type { Result } from '../base/result.ts'
import type { Clock } from '../ports/clock.ts'
import type { ContentStore } from '../ports/content-store.ts'
import type { Network } from '../ports/network.ts'
import type { PieceVerifier } from '../ports/piece-verifier.ts'
import type { TrackerCalls, TrackerTransport } from '../ports/tracker-transport.ts'
import type { RangeFetch, WebSeedTransport } from '../ports/web-seed-transport.ts'
import type { Client } from '../swarm/client.ts'
import type { SwarmInput, SwarmOutput } from '../swarm/effects.ts'
import type { SwarmEvent } from '../swarm/events.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { Pump } from './pump.ts'

export interface SwarmPorts {
  readonly clock: Clock
  readonly network: Network
  readonly verifier: PieceVerifier
  readonly trackers: TrackerTransport
  /** Absent where there are no Shoal trackers. */
  readonly trackerCalls?: TrackerCalls
  readonly webSeeds: WebSeedTransport
}

export interface SwarmDriverEvents {
  event(torrent: number, event: SwarmEvent): void
  /** What peers gave for a magnet link. */
  metadata(torrent: number, result: Result<Metainfo>): void
  stopped(): void
  /** Sees every output before it is executed; absent, nothing is spent on it. */
  readonly trace?: (output: SwarmOutput) => void
}

export class SwarmDriver {
  readonly #ports: SwarmPorts
  readonly #events: SwarmDriverEvents
  readonly #pump: Pump<SwarmInput, SwarmOutput>
  /** By torrent id; one for each torrent that was opened. */
  readonly #stores = new Map<number, ContentStore>()

  /** By torrent and range. Bounded by `webSeedConnectionsMax`. */
  readonly #fetches = new Map<string, RangeFetch>()

  constructor(client: Client, ports: SwarmPorts, events: SwarmDriverEvents) {
    this.#ports = ports
    this.#events = events
    const { trace } = events
    const execute = (output: SwarmOutput) => this.#execute(output)
    const traced = (output: SwarmOutput) => {
      trace?.(output)
      this.#execute(output)
    }
    this.#pump = new Pump<SwarmInput, SwarmOutput>(
      client,
      ports.clock,
      { kind: 'tick' },
      trace ? traced : execute,
    )
    ports.network.open({
      incoming: (connection, address) => this.push({ kind: 'incoming', connection, address }),
      connected: (connection) => this.push({ kind: 'connected', connection }),
      received: (connection, bytes) => this.push({ kind: 'received', connection, bytes }),
      sent: (connection, frame) => this.push({ kind: 'sent', connection, frame }),
      closed: (connection, reason) => this.push({ kind: 'closed', connection, reason }),
    })
  }

  push(input: SwarmInput): void {
    this.#pump.push(input)
  }

  /** Where the torrent's verified bytes go; before its first piece is requested. */
  openStore(torrent: number, store: ContentStore): void {
    this.#stores.set(torrent, store)
  }

  #execute(output: SwarmOutput): void {
    switch (output.kind) {
      case 'send':
        return this.#ports.network.send(output.connection, output.bytes, output.frame)
      case 'connect':
        return this.#ports.network.connect(output.connection, output.endpoint)
      case 'close':
        return this.#ports.network.close(output.connection)
      case 'hash-piece': {
        const { torrent, piece } = output
        return this.#ports.verifier.digest(output.bytes, output.wantsSha1, output.merkle, (result) =>
          this.push({ kind: 'piece-hashed', torrent, piece, result }),
        )
      }
      case 'hash-blocks': {
        const { torrent, id } = output
        return this.#ports.verifier.digestBlocks(output.bytes, (result) =>
          this.push({ kind: 'blocks-hashed', torrent, id, result }),
        )
      }
      case 'write-piece': {
        const { torrent, piece } = output
        return this.#store(torrent).write(piece, output.bytes, (fault) =>
          this.push({ kind: 'piece-written', torrent, piece, fault }),
        )
      }
      case 'read-blocks': {
        const { torrent, read } = output
        return this.#store(torrent).read(output.piece, output.begin, output.views, (fault) =>
          this.push({ kind: 'blocks-read', torrent, read, fault }),
        )
      }
      case 'announce': {
        const { torrent, announce } = output
        this.#ports.trackers.announce(output.url, output.request, (result) =>
          this.push({ kind: 'announce-answered', torrent, announce, result }),
        )
        return
      }
      case 'call-tracker': {
        const { torrent, call } = output
        this.#ports.trackerCalls?.call(output.request, (result) =>
          this.push({ kind: 'tracker-called', torrent, call, result }),
        )
        return
      }
      case 'fetch-range':
        return this.#fetchRange(output)
      case 'steer-range': {
        const key = `${output.torrent} ${output.range}`
        this.#fetches.get(key)?.[output.to]()
        if (output.to === 'cancel') this.#fetches.delete(key)
        return
      }
      case 'metadata':
        return this.#events.metadata(output.torrent, output.result)
      case 'event':
        return this.#events.event(output.torrent, output.event)
      case 'stopped':
        this.#pump.stop()
        return this.#events.stopped()
    }
  }

  #fetchRange({ torrent, range, request }: Extract<SwarmOutput, { kind: 'fetch-range' }>): void {
    const key = `${torrent} ${range}`
    const reading = this.#ports.webSeeds.get(request, {
      data: (bytes) => this.push({ kind: 'web-range', torrent, range, news: { kind: 'data', bytes } }),
      ended: (fault) => {
        this.#fetches.delete(key)
        this.push({ kind: 'web-range', torrent, range, news: { kind: 'ended', fault } })
      },
    })
    this.#fetches.set(key, reading)
  }

  #store(torrent: number): ContentStore {
    const store = this.#stores.get(torrent)
    assert(store !== undefined, 'a torrent has its store before it moves bytes')
    return store
  }
}
