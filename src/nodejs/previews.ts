/**
 * Small pictures of a library, made by who publishes it, when the optional library `sharp` is installed;
 * otherwise there are none, and nothing else changes. Pictures are taken evenly from all there are.
 * Only files that begin like a JPEG, PNG, WebP or AVIF are opened, with a bound on their pixels (S45).
 */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { LIMITS } from '../base/limits.ts'
import { imageTypeOf } from '../wire/image-type.ts'
import type { Metainfo } from '../wire/metainfo.ts'

export interface Previews {
  /** Each at most catalogPreviewBytesMax. */
  readonly pictures: readonly Uint8Array[]
  /** A ThumbHash of the first. */
  readonly placeholder: Uint8Array | null
}

const NO_PREVIEWS: Previews = { pictures: [], placeholder: null }
const PICTURE_NAME = /\.(jpe?g|png|webp|avif)$/i
const PIXELS_MAX = 100_000_000
/** From large and good to small and poor: the first that fits is taken. */
const ATTEMPTS = [
  { side: 320, quality: 72 },
  { side: 320, quality: 45 },
  { side: 200, quality: 40 },
] as const
/** ThumbHash takes no larger picture. */
const PLACEHOLDER_SIDE = 100

/** @param dir the folder in which the content stands under the torrent's name */
export async function makePreviews(metainfo: Metainfo, dir: string): Promise<Previews> {
  const sharp = await loadSharp()
  if (sharp === undefined) return NO_PREVIEWS
  const root = join(dir, metainfo.name)
  const candidates = metainfo.files
    .filter(({ isPad, length, path }) => !isPad && length > 0 && PICTURE_NAME.test(path.at(-1) ?? ''))
    .map(({ path }) => (metainfo.isSingleFile ? root : join(root, ...path)))
  const wanted = LIMITS.catalogPreviewsMax.value
  const step = Math.max(1, candidates.length / wanted)
  const pictures: Uint8Array[] = []
  let placeholder: Uint8Array | null = null
  for (let at = 0; at < candidates.length && pictures.length < wanted; at += step) {
    const file = candidates[Math.floor(at)]!
    try {
      const picture = await shrink(sharp, file)
      if (picture === undefined) continue
      placeholder ??= await placeholderOf(sharp, picture)
      pictures.push(picture)
    } catch {
      // A picture that cannot be read is no reason not to share it.
    }
  }
  return { pictures, placeholder }
}

type Sharp = typeof import('sharp').default

async function loadSharp(): Promise<Sharp | undefined> {
  try {
    return (await import('sharp')).default
  } catch {
    return undefined
  }
}

async function shrink(sharp: Sharp, file: string): Promise<Uint8Array | undefined> {
  const handle = await open(file)
  try {
    const head = new Uint8Array(32)
    await handle.read(head, 0, head.length, 0)
    if (imageTypeOf(head) === undefined) return undefined
  } finally {
    await handle.close()
  }
  for (const { side, quality } of ATTEMPTS) {
    const picture = await sharp(file, { limitInputPixels: PIXELS_MAX, failOn: 'error' })
      .rotate()
      .resize(side, side, { fit: 'inside', withoutEnlargement: true })
      .webp({ quality })
      .toBuffer()
    if (picture.length <= LIMITS.catalogPreviewBytesMax.value) return new Uint8Array(picture)
  }
  return undefined
}

async function placeholderOf(sharp: Sharp, picture: Uint8Array): Promise<Uint8Array> {
  const { rgbaToThumbHash } = await import('thumbhash')
  const { data, info } = await sharp(picture)
    .resize(PLACEHOLDER_SIDE, PLACEHOLDER_SIDE, { fit: 'inside', withoutEnlargement: true })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  return rgbaToThumbHash(info.width, info.height, data)
}
