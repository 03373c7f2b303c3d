/**
 * `shoal verify`: reads everything back from disk and compares it with a `.torrent`,
 * piece by piece and file by file.
 * Exit status 1 when anything is missing, wrong or too long.
 */

import { closeSync, statSync } from 'node:fs'
import { Bitfield } from '../base/bitfield.ts'
import { LIMITS } from '../base/limits.ts'
import { ContentFolder, type PathComponent } from '../nodejs/content-folder.ts'
import { locateFiles } from '../nodejs/content-location.ts'
import { checkFileDigests } from '../nodejs/file-digest-check.ts'
import { checkPieces } from '../nodejs/piece-check.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { Geometry } from '../swarm/geometry.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { absenceText, findAbsentPieces, statOf } from './absent-pieces.ts'
import type { CommandContext } from './command-context.ts'
import { HashingProgress } from './hashing-progress.ts'
import type { Output } from './output.ts'
import { readTorrent } from './torrent-source.ts'
import { formatCount } from './units.ts'

interface Damage {
  /** Below the torrent's name. */
  readonly file: string
  readonly reason:
    | 'missing'
    | 'too short'
    | 'too long'
    | 'has wrong pieces'
    | 'has another sha1'
    | 'cannot be read'
  /** Its own bytes may be right: every wrong piece also has bytes of a file that is missing. */
  readonly isDoubtful: boolean
}

/** Files told to people one by one; programs get them all. */
const SHOWN_FILES_MAX = 20

export async function run({ args, output, signal }: CommandContext): Promise<number> {
  const [torrent, dir] = args as [string, string]
  requireFolder(torrent, dir)
  const metainfo = readTorrent(torrent, output)
  const paths = locateFiles(metainfo, new ContentFolder(dir))
  const progress = new HashingProgress(output, 'verifying')
  const onProgress = (bytes: number) => progress.show(bytes, metainfo.contentLength)
  let right: Bitfield
  let wrongDigests: ReadonlySet<number>
  try {
    right = await checkPieces(metainfo, dir, { paths, signal, onProgress, usesOwnThread: true })
    wrongDigests = await checkFileDigests(metainfo, dir, { paths, signal })
  } catch (error) {
    if (!signal.aborted) throw error
    output.event({ event: 'stopped' })
    return 1
  } finally {
    progress.end()
  }
  const absent = right.isFull ? new Bitfield(right.length) : findAbsentPieces(metainfo, dir)
  const damages = findDamages(metainfo, dir, paths, { right, absent, wrongDigests })
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
  showDamages(damages, output)
  if (damages.length === filesTotal && damages.every(({ reason }) => reason === 'missing')) {
    const message = `nothing of ${metainfo.name} is in ${dir}`
    output.warning({
      code: 'verify/nothing-there',
      message,
      hint: "Name the folder in which the torrent's own name stands.",
    })
  }
  const verdict = right.isFull
    ? `all pieces are right, but ${formatCount(damages.length, 'file')} not as it should be`
    : verdictOf(right, absent)
  output.event({ event: 'compromised', pieces: [...right.zeros()] }, verdict)
  return 1
}

/** Says so where the arguments were swapped, which is easily done. */
function requireFolder(torrent: string, dir: string): void {
  const folder = statSync(dir, { throwIfNoEntry: false })
  if (folder?.isDirectory()) return
  const isSwapped = folder?.isFile() && statSync(torrent, { throwIfNoEntry: false })?.isDirectory()
  if (isSwapped)
    throw new ShoalError(
      'usage/swapped-arguments',
      'the .torrent comes first, then the folder',
      `Run \`shoal verify ${dir} ${torrent}\`.`,
    )
  throw new ShoalError(
    'input/not-a-folder',
    folder === undefined ? `the folder ${dir} does not exist` : `${dir} is not a folder`,
    "Name the folder in which the torrent's own name stands.",
  )
}

function showDamages(damages: readonly Damage[], output: Output): void {
  for (const [index, { file, reason, isDoubtful }] of damages.entries()) {
    const isPlain = reason === 'missing' || reason === 'cannot be read'
    const damaged = isDoubtful ? 'shares a piece with a missing file' : `damaged, ${reason}`
    const sentence = `${file}: ${isPlain ? reason : damaged}`
    output.event({ event: 'damaged', file, reason }, index < SHOWN_FILES_MAX ? sentence : '')
  }
  if (damages.length > SHOWN_FILES_MAX) output.text(`and ${damages.length - SHOWN_FILES_MAX} more files`)
}

function verdictOf(right: Bitfield, absent: Bitfield): string {
  let missing = 0
  for (const piece of right.zeros()) if (absent.has(piece)) missing++
  return absenceText(missing, right.length - right.count - missing, right.length)
}

interface Findings {
  readonly right: Bitfield
  readonly absent: Bitfield
  /** Files whose `sha1` is another. */
  readonly wrongDigests: ReadonlySet<number>
}

function findDamages(
  metainfo: Metainfo,
  dir: string,
  paths: ReturnType<typeof locateFiles>,
  { right, absent, wrongDigests }: Findings,
): Damage[] {
  const folder = new ContentFolder(dir)
  const geometry = new Geometry(metainfo, LIMITS.blockLengthMax.value)
  const damages: Damage[] = []
  for (const [index, { path, length, isPad, symlink }] of metainfo.files.entries()) {
    if (isPad || symlink !== undefined) continue
    const wrong = wrongPieces(geometry, index, right)
    const reason =
      lengthFault(folder, paths.at(index)!, length) ??
      contentFault(folder, paths.at(index)!, wrong, wrongDigests.has(index))
    if (reason === undefined) continue
    const isDoubtful = reason === 'has wrong pieces' && wrong.every((piece) => absent.has(piece))
    damages.push({ file: path.join('/'), reason, isDoubtful })
  }
  folder.close()
  return damages
}

function lengthFault(
  folder: ContentFolder,
  path: readonly PathComponent[],
  length: number,
): Damage['reason'] | undefined {
  const stat = statOf(folder, path)
  if (stat === undefined) return 'missing'
  if (stat === 'unreadable') return 'cannot be read'
  if (stat.size === length) return undefined
  return stat.size < length ? 'too short' : 'too long'
}

function contentFault(
  folder: ContentFolder,
  path: readonly PathComponent[],
  wrong: readonly number[],
  hasWrongDigest: boolean,
): Damage['reason'] | undefined {
  if (wrong.length > 0) return isReadable(folder, path) ? 'has wrong pieces' : 'cannot be read'
  return hasWrongDigest ? 'has another sha1' : undefined
}

function isReadable(folder: ContentFolder, path: readonly PathComponent[]): boolean {
  try {
    closeSync(folder.openSync(path, 'read'))
    return true
  } catch {
    return false
  }
}

function wrongPieces(geometry: Geometry, file: number, right: Bitfield): number[] {
  const { first, end } = geometry.filePieces(file)
  const wrong: number[] = []
  for (let piece = first; piece < end; piece++) if (!right.has(piece)) wrong.push(piece)
  return wrong
}
