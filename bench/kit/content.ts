/**
 * What is transferred: random bytes, which no program can take a short cut on, in one big file or
 * in a library of many small ones. What was made last is used again when the same is asked for;
 * anything else takes its place.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, openSync, statfsSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { Prng } from '../../src/base/prng.ts'
import { createMetainfo } from '../../src/nodejs/metainfo-creation.ts'
import { dataFolder, freshFolder, removeFolder } from './clean-up.ts'

export interface Content {
  /** With its size: `big 2048 MiB`. */
  readonly name: string
  /** The folder or the file. */
  readonly path: string
  readonly bytes: number
}

export interface Torrent {
  readonly content: Content
  /** The `.torrent`. */
  readonly file: string
  /** 20 bytes. */
  readonly infoHash: Uint8Array
}

export const MIB = 1024 * 1024
const LIBRARY_FILE_BYTES = { min: 20_000, max: 300_000 }
const FILES_PER_FOLDER = 200

let last: Content | undefined

/** One file. @param copies how many times the content will be there in all, at most */
export function bigContent(mib: number, copies = 2): Content {
  return keep(`big ${mib} MiB`, mib * MIB, copies, (folder) => {
    const file = path.join(folder, 'big.bin')
    const fd = openSync(file, 'w')
    for (let i = 0; i < mib; i++) writeSync(fd, randomBytes(MIB))
    closeSync(fd)
    return { path: file, bytes: mib * MIB }
  })
}

/** Files of 20 to 300 kB, 200 in a folder. */
export function libraryContent(fileCount: number, copies = 2): Content {
  const { min, max } = LIBRARY_FILE_BYTES
  return keep(`library ${fileCount} files`, (fileCount * (min + max)) / 2, copies, (folder) => {
    const root = path.join(folder, 'library')
    const prng = new Prng(1)
    let bytes = 0
    for (let i = 0; i < fileCount; i++) {
      const inner = path.join(root, `${Math.floor(i / FILES_PER_FOLDER)}`.padStart(4, '0'))
      if (i % FILES_PER_FOLDER === 0) mkdirSync(inner, { recursive: true })
      const length = min + prng.below(max - min + 1)
      writeFileSync(path.join(inner, `${i}.jpg`), randomBytes(length))
      bytes += length
    }
    return { path: root, bytes }
  })
}

/** Format v1, which all programs read. */
export async function makeTorrent(
  content: Content,
  trackerUrl: string,
  pieceLength = content.bytes >= 1024 * MIB ? MIB : MIB / 2,
): Promise<Torrent> {
  const { bytes, infoHashV1 } = await createMetainfo({
    paths: [content.path],
    trackers: [trackerUrl],
    format: 'v1',
    pieceLength,
  })
  const file = path.join(freshFolder('torrent'), 'content.torrent')
  writeFileSync(file, bytes)
  return { content, file, infoHash: infoHashV1! }
}

function keep(
  name: string,
  bytesExpected: number,
  copies: number,
  make: (folder: string) => { path: string; bytes: number },
): Content {
  if (last !== undefined && last.name !== name) {
    removeFolder(path.dirname(last.path))
    last = undefined
  }
  const { bavail, bsize } = statfsSync(dataFolder())
  const needed = bytesExpected * (last === undefined ? copies : copies - 1) * 1.05
  if (bavail * bsize < needed)
    throw new Error(
      `${name}, ${copies} times, needs ${gib(needed)} GiB in ${dataFolder()}, where ${gib(bavail * bsize)} are free: choose a smaller size`,
    )
  last ??= { name, ...make(freshFolder('content')) }
  return last
}

function gib(bytes: number): string {
  return (bytes / 1024 / MIB).toFixed(1)
}
