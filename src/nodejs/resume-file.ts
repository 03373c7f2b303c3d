/**
 * What is remembered of a torrent that is only seeded: which pieces were verified, and size and time of every
 * file they lie in. The check at the start writes it; it is read once, at the next start, and deleted then.
 * Where there is none, everything is checked. What a download remembers is `resume-log.ts`.
 * Invariant: a piece is only believed while every file it lies in looks exactly as it did.
 */
import { hash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Bitfield } from '../base/bitfield.ts'
import type { ContentStat } from './content-folder.ts'
import { errnoOf } from './storage-error.ts'

const VERSION = 1

interface ResumeRecord {
  readonly version: number
  /** Base64 of the bitfield. */
  readonly pieces: string
  /** Size and modification time in nanoseconds for each file of the metainfo; null where there is none. */
  readonly files: readonly (readonly [number, string] | null)[]
}

export interface Resume {
  readonly pieces: Bitfield
  /** Does the file still look as it did then? @param stat looks at it */
  isUnchanged(file: number, stat: () => ContentStat | undefined): boolean
}

export function saveResume(
  path: string,
  pieces: Bitfield,
  stats: readonly (ContentStat | undefined)[],
): void {
  const record: ResumeRecord = {
    version: VERSION,
    pieces: Buffer.from(pieces.bytes).toString('base64'),
    files: stats.map((stat) => (stat === undefined ? null : [stat.size, String(stat.mtimeNs)])),
  }
  const text = JSON.stringify(record)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.new`, `${hash('sha256', text)}\n${text}`)
  renameSync(`${path}.new`, path)
}

/**
 * Takes the record away and returns it; undefined when there is none, `corrupt` when it
 * is not as it was written.
 */
export function takeResume(
  path: string,
  pieceCount: number,
  fileCount: number,
): Resume | 'corrupt' | undefined {
  let content: string
  try {
    // A run that was killed while it wrote left this.
    rmSync(`${path}.new`, { force: true })
    content = readFileSync(path, 'utf8')
  } catch (error) {
    const errno = errnoOf(error)
    return errno === 'ENOENT' || errno === 'ENOTDIR' ? undefined : 'corrupt'
  }
  rmSync(path, { force: true })
  const record = readRecord(content)
  if (record === undefined || record.files.length !== fileCount) return 'corrupt'
  const pieces = Bitfield.fromBytes(Buffer.from(record.pieces, 'base64'), pieceCount)
  if (pieces === undefined) return 'corrupt'
  return {
    pieces,
    isUnchanged: (file, look) => {
      const saved = record.files[file]
      const stat = look()
      if (!saved || stat === undefined) return !saved && stat === undefined
      return saved[0] === stat.size && saved[1] === String(stat.mtimeNs)
    },
  }
}

/**
 * The checksum in the first line covers all the rest, so what passes it has the shape it was written with.
 */
function readRecord(content: string): ResumeRecord | undefined {
  const text = content.slice(content.indexOf('\n') + 1)
  if (content !== `${hash('sha256', text)}\n${text}`) return undefined
  const record = JSON.parse(text) as ResumeRecord
  return record.version === VERSION ? record : undefined
}
