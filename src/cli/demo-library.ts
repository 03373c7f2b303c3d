/**
 * A picture library made on the spot: hundreds of real PNG files of a few kilobytes to about 200, in nested
 * albums with names from many scripts. The same seed makes the same library.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Prng } from '../base/prng.ts'
import { drawPicture } from './demo-pictures.ts'
import { encodePng } from './png.ts'

export interface DemoLibrary {
  readonly dir: string
  readonly files: number
  readonly bytes: number
}

export interface DemoLibraryOptions {
  /** The library's own folder; it is created. */
  readonly dir: string
  readonly images: number
  readonly seed: number
  readonly signal?: AbortSignal
  /** Called after each picture. */
  readonly onProgress?: (made: number, bytes: number) => void
}

const ALBUMS: readonly (readonly string[])[] = [
  ['memes'],
  ['memes', 'classics'],
  ['memes', '🦆 ducks'],
  ['2019', 'Zürich'],
  ['2019', 'Crète, l’été'],
  ['2021', 'Ben Nevis', 'summit'],
  ['旅行', '京都'],
  ['旅行', '서울'],
  ['Котики'],
  ['Ελλάδα', 'Κρήτη'],
  ['عمان'],
]
const SUBJECTS = [
  'kite',
  'harbour',
  'fern',
  'lantern',
  'Gänseblümchen',
  'tide pool',
  'café',
  'глаз',
  '猫',
  'mosaic',
]

/** Encoders at work at once; zlib has four threads. */
const CONCURRENCY = 4
const BYTES_PER_PIXEL = 2.1

export async function makeDemoLibrary(options: DemoLibraryOptions): Promise<DemoLibrary> {
  const { dir, images, seed, signal, onProgress } = options
  const library = new Prng(seed)
  for (const album of ALBUMS) await mkdir(join(dir, ...album), { recursive: true })
  let next = 0
  let made = 0
  let bytes = 0
  const work = async (): Promise<void> => {
    while (next < images && !signal?.aborted) {
      const index = next++
      const chance = library.fork(`picture ${index}`)
      const { width, height } = pictureSize(chance)
      const picture = await encodePng(width, height, drawPicture(width, height, chance))
      await writeFile(join(dir, ...ALBUMS[index % ALBUMS.length]!, pictureName(index, chance)), picture)
      bytes += picture.length
      made++
      onProgress?.(made, bytes)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work))
  return { dir, files: made, bytes }
}

/** Small pictures are as common as large ones: bytes are spread evenly over the orders of magnitude. */
function pictureSize(chance: Prng): { readonly width: number; readonly height: number } {
  const bytes = 6000 * (200 / 6) ** chance.fraction()
  const aspect = 0.6 + chance.fraction()
  const width = Math.max(16, Math.round(Math.sqrt((bytes / BYTES_PER_PIXEL) * aspect)))
  return { width, height: Math.max(16, Math.round(width / aspect)) }
}

function pictureName(index: number, chance: Prng): string {
  return `${SUBJECTS[chance.below(SUBJECTS.length)]} ${String(index).padStart(4, '0')}.png`
}
