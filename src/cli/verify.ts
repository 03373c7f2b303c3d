/**
 * `shoal verify`: reads everything back from disk and compares it with a `.torrent`,
 * piece by piece and file by file.
 * Exit status 1 when anything is missing, wrong or too long.
 */

import type { Bitfield } from '../base/bitfield.ts'
import { LIMITS } from '../base/limits.ts'
import { ContentFolder } from '../nodejs/content-folder.ts'
import { locateFiles } from '../nodejs/content-location.ts'
import { checkFileDigests } from '../nodejs/file-digest-check.ts'
import { checkPieces } from '../nodejs/piece-check.ts'
import { Geometry } from '../swarm/geometry.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { CommandContext } from './command-context.ts'
import { HashingProgress } from './hashing-progress.ts'
import { readTorrent } from './torrent-source.ts'

interface Damage {
  /** Below the torrent's name. */
  readonly file: string
  readonly reason: 'missing' | 'too short' | 'too long' | 'has wrong pieces' | 'has another sha1'
}

export async function run({ args, output, signal }: CommandContext): Promise<number> {
  const [torrent, dir] = args as [string, string]
  const metainfo = readTorrent(torrent, output)
  const paths = locateFiles(metainfo, new ContentFolder(dir))
  const progress = new HashingProgress(output, 'verifying')
  const onProgress = (bytes: number) => progress.show(bytes, metainfo.contentLength)
  let right: Bitfield
  let wrongDigests: ReadonlySet<number>
  try {
    right = await checkPieces(metainfo, dir, { paths, signal, onProgress })
    wrongDigests = await checkFileDigests(metainfo, dir, { paths, signal })
  } catch (error) {
    if (!signal.aborted) throw error
    output.event({ event: 'stopped' })
    return 1
  } finally {
    progress.end()
  }
  const damages = findDamages(metainfo, dir, paths, right, wrongDigests)
  for (const { file, reason } of damages)
    output.event({ event: 'damaged', file, reason }, `${file}: ${reason}`)
  const filesTotal = metainfo.files.filter(({ isPad, symlink }) => !isPad && symlink === undefined).length
  if (right.isFull && damages.length === 0) {
    output.event({
      event: 'verified',
      pieces: right.count,
      total: right.length,
      files: filesTotal,
      filesTotal,
    })
    return 0
  }
  if (damages.length === filesTotal && damages.every(({ reason }) => reason === 'missing')) {
    const message = `nothing of ${metainfo.name} is in ${dir}`
    output.warning({
      code: 'verify/nothing-there',
      message,
      hint: "Name the folder in which the torrent's own name stands.",
    })
  }
  output.event(
    { event: 'compromised', pieces: [...right.zeros()] },
    right.isFull ? `compromised: ${damages.length} files are not as they should be` : undefined,
  )
  return 1
}

function findDamages(
  metainfo: Metainfo,
  dir: string,
  paths: ReturnType<typeof locateFiles>,
  right: Bitfield,
  wrongDigests: ReadonlySet<number>,
): Damage[] {
  const folder = new ContentFolder(dir)
  const geometry = new Geometry(metainfo, LIMITS.blockLengthMax.value)
  const damages: Damage[] = []
  for (const [index, { path, length, isPad, symlink }] of metainfo.files.entries()) {
    if (isPad || symlink !== undefined) continue
    const size = sizeOf(folder, paths[index]!)
    const reason =
      size === undefined
        ? 'missing'
        : size < length
          ? 'too short'
          : size > length
            ? 'too long'
            : hasWrongPiece(geometry, index, right)
              ? 'has wrong pieces'
              : wrongDigests.has(index)
                ? 'has another sha1'
                : undefined
    if (reason !== undefined) damages.push({ file: path.join('/'), reason })
  }
  folder.close()
  return damages
}

function hasWrongPiece(geometry: Geometry, file: number, right: Bitfield): boolean {
  const { first, end } = geometry.filePieces(file)
  for (let piece = first; piece < end; piece++) if (!right.has(piece)) return true
  return false
}

/** Undefined where there is no file, or something else. */
function sizeOf(folder: ContentFolder, path: ReturnType<typeof locateFiles>[number]): number | undefined {
  try {
    const stat = folder.statSync(path)
    return stat?.isFile ? stat.size : undefined
  } catch {
    return undefined
  }
}
