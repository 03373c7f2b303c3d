/**
 * What a benchmark needs of a BitTorrent program: how it is started to seed or to
 * download, and how it says so.
 */

/** A program that takes longer to say its version does not work. */
export const VERSION_MS = 20_000

export interface PeerPlan {
  /** The `.torrent`. */
  readonly torrent: string
  /** The folder in which the torrent's own name stands. */
  readonly dir: string
  /** Address to listen on and to connect from; some programs tell peers apart by address only. */
  readonly host: string
  readonly port: number
  /** Undefined = no limit. */
  readonly uploadBytesPerSecond: number | undefined
  /** Private and empty. */
  readonly stateFolder: string
}

export interface PeerLaunch {
  readonly command: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** A download is complete when a line of its output contains this... */
  readonly doneText?: string
  /** ...or when this file appears. */
  readonly doneFile?: string
  /** In its first line about a verified piece, of programs that print such lines. */
  readonly pieceText?: string
}

/** Peers are found through the torrent's tracker; everything else that finds peers is off. */
export interface PeerProgram {
  readonly name: string
  /** One line; undefined = it is not installed. */
  version(): string | undefined
  /** After a download it goes on seeding, in the foreground, until SIGTERM. */
  launch(verb: 'seed' | 'download', plan: PeerPlan): PeerLaunch
}
