/**
 * Files that are one hole: of some length, and with no block of the disk behind it, as a download leaves them
 * that has not begun, or a sparse copy. They hold zeros, so each of their pieces is right if its hash is that
 * of zeros, and nothing need be read: terabytes of them are checked in a moment.
 * Only file systems are believed that count blocks at once; others count late (ZFS), never (FUSE), or keep
 * small content elsewhere. A file with a hole in it is read like any other: Node.js offers no SEEK_HOLE.
 */
import { createHash, hash } from 'node:crypto'
import { statfsSync } from 'node:fs'
import { MERKLE_BLOCK_LENGTH } from '../wire/merkle.ts'
import type { ContentFolder } from './content-folder.ts'
import type { ContentEntries, ContentEntry } from './piece-plan.ts'

/** `f_type` of tmpfs, ext4, XFS and btrfs (statfs(2)). */
const BELIEVED: ReadonlySet<number> = new Set([0x01021994, 0xef53, 0x58465342, 0x9123683e])
/** Smaller files are read as fast as they are looked at, and may stand in the inode itself. */
const LENGTH_MIN = 1024 * 1024

/** Hashes of a whole piece of zeros. */
export interface ZeroPiece {
  readonly sha1: Uint8Array
  readonly merkleRoot: Uint8Array
}

/** Runs of pieces that lie wholly in holes: first, and one past the last. */
export function* hollowPieces(
  entries: ContentEntries,
  pieceLength: number,
  folder: ContentFolder,
): Generator<readonly [first: number, end: number]> {
  let isBelieved: boolean | undefined
  for (let i = 0; i < entries.length; i++) {
    const entry = entries.at(i)!
    const { length, offset } = entry
    if (length < Math.max(LENGTH_MIN, pieceLength)) continue
    const { path } = entry
    if (path.length === 0) continue
    isBelieved ??= countsBlocks(folder.root)
    if (!isBelieved) return
    const stat = statOf(folder, path)
    if (stat?.isFile !== true || stat.allocatedBytes !== 0) continue
    const first = Math.ceil(offset / pieceLength)
    const end = Math.floor((offset + Math.min(stat.size, length)) / pieceLength)
    if (end > first) yield [first, end]
  }
}

export function zeroPiece(pieceLength: number): ZeroPiece {
  const zeros = Buffer.alloc(Math.min(pieceLength, MERKLE_BLOCK_LENGTH))
  const sha1 = createHash('sha1')
  for (let left = pieceLength; left > 0; left -= zeros.length) sha1.update(zeros.subarray(0, left))
  let merkleRoot = hash('sha256', Buffer.alloc(MERKLE_BLOCK_LENGTH), 'buffer')
  for (let length = MERKLE_BLOCK_LENGTH; length < pieceLength; length *= 2)
    merkleRoot = hash('sha256', Buffer.concat([merkleRoot, merkleRoot]), 'buffer')
  return { sha1: sha1.digest(), merkleRoot }
}

function countsBlocks(root: string): boolean {
  try {
    return BELIEVED.has(Number(statfsSync(root).type))
  } catch {
    return false
  }
}

function statOf(folder: ContentFolder, path: ContentEntry['path']) {
  try {
    return folder.statSync(path)
  } catch {
    return undefined
  }
}
