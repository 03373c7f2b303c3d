/**
 * Is there room for what is still missing? Asked before a download begins, so that it does not fail at 99 %.
 * Counted by blocks: a sparse file needs what its holes will take. A file system that does not tell its size
 * counts as large enough.
 */
import { statfsSync, statSync } from 'node:fs'
import type { Bitfield } from '../base/bitfield.ts'
import type { Fault } from '../base/result.ts'
import type { Geometry } from '../swarm/geometry.ts'
import type { ContentStat } from './content-folder.ts'

export interface SpaceQuestion {
  readonly geometry: Geometry
  /** Pieces that are there and right. */
  readonly found: Bitfield
  /** Is it to be there in the end, in a file of its own? */
  isStored(file: number): boolean
  /** Undefined when nothing has its name. */
  stat(file: number): ContentStat | undefined
  /** Where the files grow. */
  readonly folder: string
  /** Where they are moved when all are complete; the same by default. */
  readonly target?: string | undefined
}

/** Bytes a folder must have free. */
export interface SpaceNeed {
  readonly folder: string
  readonly bytes: number
}

export const NOT_ENOUGH_SPACE = 'storage/not-enough-space'

/** One need for each file system that is concerned. */
export function spaceNeeds(question: SpaceQuestion): SpaceNeed[] {
  const { geometry, folder, target = folder } = question
  let missing = 0
  let whole = 0
  for (const [file, { length }] of geometry.files.entries()) {
    if (!question.isStored(file)) continue
    whole += length
    if (!isComplete(question, file))
      missing += Math.max(0, length - (question.stat(file)?.allocatedBytes ?? 0))
  }
  const needs = [{ folder, bytes: missing }]
  // Within one file system files are moved without a copy.
  if (deviceOf(target) !== deviceOf(folder)) needs.push({ folder: target, bytes: whole })
  return needs
}

/** The first folder that has less free than it must have. */
export function findShortage(needs: readonly SpaceNeed[]): Fault | undefined {
  for (const { folder, bytes } of needs) {
    const free = freeBytes(folder)
    if (free === undefined || free >= bytes) continue
    return {
      code: NOT_ENOUGH_SPACE,
      message: `${folder} has ${mebibytes(free)} free, and ${mebibytes(bytes)} are still missing`,
      hint: 'Free some space and it goes on by itself, or choose another --dir; --no-space-check starts anyway.',
    }
  }
  return undefined
}

/** What this user may still write there; undefined when the system does not tell. */
export function freeBytes(folder: string): number | undefined {
  try {
    const { bavail, bsize, blocks } = statfsSync(folder)
    return blocks === 0 ? undefined : bavail * bsize
  } catch {
    return undefined
  }
}

function isComplete({ geometry, found }: SpaceQuestion, file: number): boolean {
  const { first, end } = geometry.filePieces(file)
  for (let piece = first; piece < end; piece++) if (!found.has(piece)) return false
  return true
}

function deviceOf(folder: string): number | undefined {
  try {
    return statSync(folder).dev
  } catch {
    return undefined
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / (1024 * 1024)).toFixed(1)} MiB`
}
