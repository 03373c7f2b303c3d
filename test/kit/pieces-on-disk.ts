/** Which pieces somebody has, seen from outside: what lies in his folder, whichever client wrote it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TorrentFixture } from './torrent-fixture.ts'

/** Indices of the pieces of a v1 torrent that are whole in the files below `dir`. */
export function piecesOnDisk(torrent: TorrentFixture, dir: string): Set<number> {
  const base = torrent.isSingleFile ? dir : join(dir, torrent.name)
  const parts = [...torrent.files].map(([path, { length }]) => readUpTo(join(base, path), length))
  const stream = Buffer.concat(parts)
  const whole = new Set<number>()
  for (let index = 0, at = 0; index < torrent.pieceCount; index++) {
    const piece = torrent.piece(index)
    if (stream.subarray(at, (at += piece.length)).equals(piece)) whole.add(index)
  }
  return whole
}

/** A file as it is so far, with zeros for what is not there. */
function readUpTo(path: string, length: number): Buffer {
  const content = Buffer.alloc(length)
  try {
    readFileSync(path).copy(content)
  } catch {
    // not begun
  }
  return content
}
