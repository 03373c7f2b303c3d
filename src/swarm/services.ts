/**
 * What other Shoal peers may ask of this one outside any swarm: claims about payload strings, and counters.
 * A connection whose handshake names `SERVICE_INFO_HASH` comes here instead of to a torrent. It is no
 * session: it needs no slot, waits for no turn (as a tracker's probe does not), and moves no piece.
 * Invariants: it lasts `serviceSecondsMax` at most and is one of the connections the client counts; answers
 * go out in the order of the questions; a query beyond the allowance is answered `busy`.
 */
import { equalBytes, toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { type Fault, fail } from '../base/result.ts'
import { after, type Instant, seconds } from '../base/time.ts'
import { type AddressScope, reachesAsFar, scopeOfHost } from '../wire/address-scope.ts'
import {
  CLAIMS_EXTENSION,
  type ClaimsQuery,
  type ClaimsReply,
  decodeClaimsQuery,
  encodeClaimsReply,
} from '../wire/claims-messages.ts'
import { formatEndpoint } from '../wire/endpoint.ts'
import { decodeExtensionHandshake, encodeExtensionHandshake } from '../wire/extension-handshake.ts'
import { FrameReader, type FrameSink } from '../wire/frame-reader.ts'
import { encodeHandshake } from '../wire/handshake.ts'
import { MESSAGE, MessageWriter } from '../wire/peer-messages.ts'
import { SERVICE_IDS, SERVICE_INFO_HASH } from '../wire/services.ts'
import {
  decodeStatsQuery,
  encodeStatsRefusal,
  encodeStatsReply,
  STATS_EXTENSION,
  type StatsQuery,
  type StatsReply,
} from '../wire/stats-messages.ts'
import { Allowance } from './allowance.ts'
import { ClaimsServer } from './claims.ts'
import type { ClientOptions } from './client-options.ts'
import type { Connection } from './connection.ts'
import type { SwarmOutput } from './effects.ts'
import type { DisconnectReason, SwarmEvent } from './events.ts'
import type { Torrent } from './torrent.ts'

/** No torrent has it: events under it are about the peer itself. */
export const PEER_ITSELF = 0

export interface ServicesOptions {
  /** Counters of this peer, at the moment. */
  readonly stats: (query: StatsQuery) => StatsReply
  /** How far an address may reach that is told our counters; `nobody` for none. */
  readonly tellsStatsTo: AddressScope | 'nobody'
}

export interface ServicesHost {
  readonly options: ClientOptions
  readonly torrents: ReadonlyMap<number, Torrent>
  emit(output: SwarmOutput): void
  close(connection: number, reason: DisconnectReason): void
}

export class Services {
  readonly #host: ServicesHost
  readonly #claims: ClaimsServer
  /** They go with their connections. */
  readonly #asked = new WeakMap<Connection, ServedConnection>()

  constructor(host: ServicesHost) {
    this.#host = host
    this.#claims = new ClaimsServer(host.torrents, host.emit)
  }

  /** True when the connection, which has said its handshake, is not for a torrent. @param bytes after that */
  serve(now: Instant, connection: Connection, bytes: Uint8Array): boolean {
    const { services } = this.#host.options
    if (services === undefined || connection.isOutgoing) return false
    let served = this.#asked.get(connection)
    if (served === undefined) {
      if (!equalBytes(connection.handshake!.subarray(28, 48), SERVICE_INFO_HASH)) return false
      connection.deadline = after(now, seconds(LIMITS.serviceSecondsMax.value))
      served = new ServedConnection(now, connection, this.#host, services, this.#claims)
      this.#asked.set(connection, served)
    }
    if (served.received(now, bytes) !== undefined) this.#host.close(connection.id, 'protocol-error')
    return true
  }

  readDone(read: number, fault: Fault | undefined): void {
    this.#claims.readDone(read, fault)
  }
}

class ServedConnection implements FrameSink {
  readonly #connection: Connection
  readonly #host: ServicesHost
  readonly #services: ServicesOptions
  readonly #claims: ClaimsServer
  readonly #reader = new FrameReader(this, 1)
  readonly #writer = new MessageWriter()
  readonly #allowance: Allowance
  /** Under which the asker wants its answers. */
  #names: ReadonlyMap<string, number> = new Map()
  /** A query whose payload is being read. */
  #isReading = false
  #now: Instant

  constructor(
    now: Instant,
    connection: Connection,
    host: ServicesHost,
    services: ServicesOptions,
    claims: ClaimsServer,
  ) {
    this.#now = now
    this.#connection = connection
    this.#host = host
    this.#services = services
    this.#claims = claims
    const most = LIMITS.serviceQueriesMax.value
    this.#allowance = new Allowance(now, most, most / 4)
    this.#greet()
  }

  received(now: Instant, bytes: Uint8Array): Fault | undefined {
    this.#now = now
    const fault = this.#reader.push(bytes)
    this.#flush()
    return fault
  }

  onMessage(type: number, payload: Uint8Array): Fault | undefined {
    if (type !== MESSAGE.extended || payload.length === 0) return undefined
    const body = payload.subarray(1)
    switch (payload[0]) {
      case 0: {
        const handshake = decodeExtensionHandshake(body)
        if (!handshake.ok) return handshake.error
        this.#names = handshake.value.messages
        return undefined
      }
      case SERVICE_IDS[CLAIMS_EXTENSION]:
        return this.#asksClaims(body)
      case SERVICE_IDS[STATS_EXTENSION]:
        return this.#asksStats(body)
      default:
        return undefined
    }
  }

  onHave(): undefined {}

  onRequest(): undefined {}

  /** A connection for services has no pieces. */
  onBlockStart(): Fault {
    return fail('wire/protocol-error', 'a block where no piece is').error
  }

  onBlockEnd(): undefined {}

  onKeepAlive(): void {}

  #greet(): void {
    const { peerId, clientName, listenPort } = this.#host.options
    this.#writer.raw(
      encodeHandshake({
        infoHash: SERVICE_INFO_HASH,
        peerId,
        supportsExtensions: true,
        supportsFast: false,
        supportsV2: false,
      }),
    )
    this.#writer.extended(
      0,
      encodeExtensionHandshake({
        messages: new Map(Object.entries(SERVICE_IDS)),
        client: clientName,
        listenPort,
        requestQueueLength: undefined,
        isUploadOnly: false,
        metadataSize: undefined,
      }),
    )
  }

  #asksClaims(body: Uint8Array): undefined {
    const query = decodeClaimsQuery(body)
    if (typeof query === 'string') return this.#answerClaims(undefined, { kind: 'refused', reason: query })
    if (this.#isReading || !this.#allowance.take(this.#now))
      return this.#answerClaims(query, { kind: 'refused', reason: 'busy' })
    this.#isReading = true
    this.#claims.ask(query, (reply) => {
      this.#isReading = false
      this.#answerClaims(query, reply)
      this.#flush()
    })
  }

  #answerClaims(query: ClaimsQuery | undefined, reply: ClaimsReply): undefined {
    this.#extended(CLAIMS_EXTENSION, encodeClaimsReply(reply))
    this.#tell({
      event: 'claims-answered',
      address: formatEndpoint(this.#connection.endpoint),
      payloadId: query === undefined ? null : toHex(query.payload),
      claims: query?.claims.length ?? 0,
      answer: reply.kind === 'refused' ? reply.reason : reply.isHeld ? 'held' : 'not-held',
    })
  }

  #asksStats(body: Uint8Array): undefined {
    const { tellsStatsTo, stats } = this.#services
    const scope = scopeOfHost(this.#connection.endpoint.host)
    const mayKnow = tellsStatsTo !== 'nobody' && reachesAsFar(tellsStatsTo, scope)
    const isAnswered = mayKnow && this.#allowance.take(this.#now)
    this.#extended(
      STATS_EXTENSION,
      isAnswered ? encodeStatsReply(stats(decodeStatsQuery(body))) : encodeStatsRefusal(),
    )
    this.#tell({ event: 'stats-asked', address: formatEndpoint(this.#connection.endpoint), isAnswered })
  }

  #extended(name: string, payload: Uint8Array): void {
    const id = this.#names.get(name) ?? 0
    if (id > 0) this.#writer.extended(id, payload)
  }

  #tell(event: SwarmEvent): void {
    this.#host.emit({ kind: 'event', torrent: PEER_ITSELF, event })
  }

  /** Of a connection that has gone meanwhile, nothing is sent: the driver drops it. */
  #flush(): void {
    if (this.#writer.isEmpty) return
    this.#host.emit({ kind: 'send', connection: this.#connection.id, bytes: this.#writer.take() })
  }
}
