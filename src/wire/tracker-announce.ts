/**
 * What a client tells a tracker and what it hears back, whichever transport carries it
 * (BEP 3, 7, 15, 23, 24, 31).
 * A client reads answers as `AnnounceReply`, with endpoints; a tracker writes them from `AnnounceAnswer`,
 * whose peers are already the bytes both transports send, so that answering copies and never formats.
 */
import type { Fault } from '../base/result.ts'
import type { Endpoint } from './endpoint.ts'

export type AnnounceEvent = 'started' | 'completed' | 'stopped'

export interface AnnounceRequest {
  /** 20 bytes. */
  readonly infoHash: Uint8Array
  /** 20 bytes. */
  readonly peerId: Uint8Array
  /** Where this peer listens, 1 to 65535. */
  readonly port: number
  /** Bytes since `started`. */
  readonly uploaded: number
  readonly downloaded: number
  /** Bytes still to fetch; 0 makes a seeder. */
  readonly left: number
  /** Absent in the regular announces between the events. */
  readonly event?: AnnounceEvent | undefined
  /** How many peers are wanted; absent leaves it to the tracker. */
  readonly numwant?: number | undefined
  /** 32 bits that stay the same when the address changes. */
  readonly key: number
  /** What the tracker's last reply gave as its id, sent back as it was. */
  readonly trackerId?: Uint8Array | undefined
  /** Text the client claims as its address; our tracker believes it of proxies it was told to trust. */
  readonly ip?: string | undefined
  /** HTTP: false asks for peers as dictionaries (BEP 23); absent leaves it to the tracker. */
  readonly compact?: boolean | undefined
  /** HTTP: dictionaries may leave out the peer ids. */
  readonly noPeerId?: boolean | undefined
}

export interface AnnouncedPeer extends Endpoint {
  /** 20 bytes; only in the dictionary form. */
  readonly peerId?: Uint8Array
}

export interface AnnounceReply {
  readonly intervalSeconds: number
  readonly minIntervalSeconds?: number
  readonly peers: readonly AnnouncedPeer[]
  readonly seeders?: number
  readonly leechers?: number
  /** Our address as the tracker sees it, numeric text (BEP 24). */
  readonly externalIp?: string
  /** For people; the announce worked. */
  readonly warning?: string
  readonly trackerId?: Uint8Array
  /** Path of the tracker's API on the same host, when it offers one (docs/tracker-extension.md). */
  readonly api?: string
  /** The address the reply came from, numeric text; the transport knows it. */
  readonly from?: string
}

export interface AnnounceAnswer {
  readonly intervalSeconds: number
  readonly minIntervalSeconds: number
  readonly seeders: number
  readonly leechers: number
  /** How often the download was completed. */
  readonly completed: number
  /** 6 bytes each. */
  readonly peersV4: Uint8Array
  /** 18 bytes each. */
  readonly peersV6: Uint8Array
  /** 20 bytes for each of `peersV4`, then for each of `peersV6`; only the dictionary form needs them. */
  readonly peerIds?: Uint8Array | undefined
}

export interface ScrapeCounts {
  readonly seeders: number
  readonly leechers: number
  /** How often the download was completed. */
  readonly completed: number
}

/**
 * Codes: `tracker/unreachable`, `tracker/timeout`, `tracker/failure`,
 * `tracker/bad-reply`, `tracker/unsupported-scheme`.
 */
export interface TrackerFault extends Fault {
  /** The tracker asks not to be asked again before; Infinity for never (BEP 31). */
  readonly retryInSeconds?: number
}

/** The tracker understood and refused; `reason` is its own text. */
export function trackerFailure(
  reason: string,
  retryInSeconds?: number,
): { readonly ok: false; readonly error: TrackerFault } {
  const fault: TrackerFault = {
    code: 'tracker/failure',
    message: `the tracker refused the announce: ${printable(reason)}`,
    hint: 'The reason is the tracker’s own; check that it serves this torrent, or use another tracker.',
  }
  return { ok: false, error: retryInSeconds === undefined ? fault : { ...fault, retryInSeconds } }
}

const REASON_LENGTH_MAX = 200

/** One line that no terminal obeys: control and direction characters are dropped, the length is bounded. */
export function printable(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, REASON_LENGTH_MAX)
}
