/**
 * What most process tests need: a torrent, a folder with its content, an empty folder, and the program
 * started as a downloader or seeder on loopback with nothing but the peers and trackers the test names.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { onCleanUp, temporaryFolder } from './clean-up.ts'
import type { FakeTracker } from './fake-tracker.ts'
import { ALONE, Shoal, type ShoalOptions } from './shoal.ts'
import { type FixtureOptions, type TorrentFixture, torrentFixture } from './torrent-fixture.ts'

export interface Stage {
  root: string
  torrent: TorrentFixture
  /** Path of the .torrent. */
  file: string
  /** `--dir` of someone who has the content. */
  source: string
  /** `--dir` of someone who has nothing. */
  target: string
  folder(name: string): string
}

export function stage(options: FixtureOptions | TorrentFixture = {}): Stage {
  const torrent = 'bytes' in options ? options : torrentFixture(options)
  const root = temporaryFolder('stage')
  const folder = (name: string) => {
    mkdirSync(join(root, name), { recursive: true })
    return join(root, name)
  }
  const file = torrent.writeTorrent(root)
  return {
    root,
    torrent,
    file,
    source: torrent.writeContent(folder('source')),
    target: folder('target'),
    folder,
  }
}

export interface PeerOptions extends ShoalOptions {
  peers?: { host: string; port: number }[]
  tracker?: FakeTracker | string
  args?: string[]
  host?: string
  port?: number
}

/** Arguments that every peer of a test gets. */
export function peerArguments({ peers = [], tracker, args = [], host = '127.0.0.1', port = 0 }: PeerOptions) {
  const url = typeof tracker === 'object' ? tracker.url : tracker
  return [
    ...['--host', host, '--port', String(port), ...ALONE],
    ...peers.flatMap((peer) => ['--peer', `${peer.host}:${peer.port}`]),
    ...(url ? ['--tracker', url] : []),
    ...args,
  ]
}

/** `shoal get FILE --dir DIR`. */
export function startGet(file: string, dir: string, options: PeerOptions = {}): Shoal {
  return Shoal.start(['get', file, '--dir', dir, ...peerArguments(options)], options)
}

/** `shoal seed FILE --dir DIR`. */
export function startSeed(file: string, dir: string, options: PeerOptions = {}): Shoal {
  return Shoal.start(['seed', file, '--dir', dir, ...peerArguments(options)], options)
}

/**
 * Calls `look` every few milliseconds until the test ends or `stop` is called; what it
 * throws is rethrown by `stop`.
 */
export function watch(look: () => void, everyMs = 5): { stop(): void } {
  let failure: unknown
  const timer = setInterval(() => {
    try {
      look()
    } catch (error) {
      failure ??= error
    }
  }, everyMs)
  onCleanUp(() => clearInterval(timer))
  return {
    stop: () => {
      clearInterval(timer)
      if (failure) throw failure
    },
  }
}

/** Peer ids as the program shows them: what is printable as it is, the rest as dots. */
export function peerIdText(peerId: Buffer): string {
  return peerId.toString('latin1').replaceAll(/[^\x21-\x7e]/g, '.')
}
