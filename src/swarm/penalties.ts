/**
 * What follows for peers when the hash of a piece they sent is known: whoever is proven to have spoiled it is
 * banned, a sole sender who cannot be told from a liar is struck, everybody else is acquitted.
 * The proof is `blame.ts`; here is what is done about it.
 */
import { type Endpoint, parseEndpoint } from '../wire/endpoint.ts'
import type { Evidence } from './blame.ts'
import type { Downloader } from './downloader.ts'
import type { PeerList } from './peer-list.ts'
import type { PeerSession } from './peer-session.ts'
import type { GatheringPiece } from './piece-tracker.ts'
import type { TorrentCore } from './torrent-core.ts'
import type { WebSeeds } from './web-seeds.ts'

export class Penalties {
  readonly #core: TorrentCore
  readonly #peers: PeerList
  readonly #downloader: Downloader
  readonly #webSeeds: WebSeeds
  readonly #sendAway: (session: PeerSession) => void
  /** Emptied with the next tick. */
  #caught: PeerSession[] = []

  constructor(
    core: TorrentCore,
    peers: PeerList,
    downloader: Downloader,
    webSeeds: WebSeeds,
    sendAway: (session: PeerSession) => void,
  ) {
    this.#core = core
    this.#peers = peers
    this.#downloader = downloader
    this.#webSeeds = webSeeds
    this.#sendAway = sendAway
  }

  /** The piece is right: if it failed before, its blocks tell who spoiled it then. */
  pieceIsRight(checked: GatheringPiece): void {
    for (const address of this.#core.blame.settle(this.#evidence(checked))) this.#ban(address, checked.piece)
  }

  /** Verified and written. */
  acquit(written: GatheringPiece): void {
    for (const address of written.contributors.keys()) this.#peers.acquit(address)
  }

  /** The hash does not fit, and there is one sender only. */
  convictSole(failed: GatheringPiece): void {
    if (failed.contributors.size === 1) this.#strike(failed, true)
  }

  /** These blocks of the piece are known to be wrong (BEP 52). */
  convict(failed: GatheringPiece, wrong: ReadonlySet<number>): void {
    const isRight = (block: number) => !wrong.has(block)
    for (const address of this.#core.blame.accuse(this.#evidence(failed), isRight) ?? [])
      this.#ban(address, failed.piece)
  }

  /**
   * It sent a block that is known to be wrong. That is found while a message is being read, so its sessions
   * are closed once that is over; until then nothing is taken from it or asked of it.
   */
  caught(address: string, piece: number): void {
    const endpoint = parseEndpoint(address)
    if (endpoint === undefined || this.#peers.isBanned(endpoint)) return
    this.#tellBanned(address, endpoint, piece)
    for (const session of this.#core.sessions.values()) {
      if (!this.#peers.isBanned(session.endpoint)) continue
      session.ending = 'banned'
      this.#downloader.release(session)
      this.#caught.push(session)
    }
    this.#downloader.parole.convicted(address)
  }

  /** Sessions wait to be closed. */
  get hasCaught(): boolean {
    return this.#caught.length > 0
  }

  sendCaughtAway(): void {
    const caught = this.#caught
    this.#caught = []
    for (const session of caught) this.#sendAway(session)
  }

  /** It told hashes that prove themselves wrong. The client ends the session once it has read what came. */
  lied(session: PeerSession): void {
    session.ending = 'banned'
    this.#peers.ban(session.endpoint)
    const event = { event: 'peer-banned', address: session.address, pieces: [] } as const
    this.#core.emit({ kind: 'event', torrent: this.#core.id, event })
  }

  /**
   * The hash does not fit. To be called while the piece still has its bytes; gives what remains
   * to be done when they are gone.
   */
  pieceFailed(failed: GatheringPiece): () => void {
    const isSole = failed.contributors.size === 1
    const liars = isSole ? undefined : this.#core.blame.accuse(this.#evidence(failed))
    return () => {
      for (const address of liars ?? []) this.#ban(address, failed.piece)
      if (liars === undefined) this.#strike(failed, isSole)
      this.#downloader.parole.uphold()
    }
  }

  /** For a piece that its sender sent alone, or that is too long for its blocks to be remembered. */
  #strike(failed: GatheringPiece, isSole: boolean): void {
    for (const address of failed.contributors.keys()) {
      const endpoint = parseEndpoint(address)
      if (endpoint === undefined && isSole) this.#webSeeds.spoiled(address, failed.piece)
      if (endpoint === undefined || this.#peers.isBanned(endpoint)) continue
      if (this.#peers.strike(endpoint, isSole)) this.#ban(address, failed.piece)
    }
  }

  #ban(address: string, piece: number): void {
    const { sessions } = this.#core
    const endpoint = parseEndpoint(address)
    if (endpoint === undefined) {
      this.#webSeeds.convicted(address)
      return this.#downloader.parole.convicted(address)
    }
    if (this.#peers.isBanned(endpoint)) return
    this.#tellBanned(address, endpoint, piece)
    for (const session of [...sessions.values()])
      if (this.#peers.isBanned(session.endpoint)) this.#sendAway(session)
    this.#downloader.parole.convicted(address)
  }

  #tellBanned(address: string, endpoint: Endpoint, piece: number): void {
    this.#peers.ban(endpoint)
    const event = { event: 'peer-banned', address, pieces: [piece] } as const
    this.#core.emit({ kind: 'event', torrent: this.#core.id, event })
  }

  #evidence(checked: GatheringPiece): Evidence {
    const { geometry, pieces } = this.#core
    const { piece, senders } = checked
    return { piece, senders, blockLength: geometry.blockLength, bytes: pieces.bufferOf(checked) }
  }
}
