/**
 * Small pictures of a library, made by who publishes it, when the optional library `sharp` is installed;
 * otherwise there are none, and nothing else changes. Pictures are taken evenly from all there are.
 * Only files that begin like a JPEG, PNG, WebP or AVIF are decoded, in another process (S45).
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { LIMITS } from '../base/limits.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import type { PictureShrinker } from './picture-shrinker.ts'

export interface Previews {
  /** Each at most catalogPreviewBytesMax. */
  readonly pictures: readonly Uint8Array[]
  /** A ThumbHash of the first. */
  readonly placeholder: Uint8Array | null
}

const NO_PREVIEWS: Previews = { pictures: [], placeholder: null }
const PICTURE_NAME = /\.(jpe?g|png|webp|avif)$/i

/** @param dir the folder in which the content stands under the torrent's name */
export async function makePreviews(
  metainfo: Metainfo,
  dir: string,
  shrinker: Pick<PictureShrinker, 'shrink'>,
): Promise<Previews> {
  if (!hasSharp()) return NO_PREVIEWS
  const root = join(dir, metainfo.name)
  const candidates = metainfo.files
    .filter(({ isPad, length, path }) => !isPad && length > 0 && PICTURE_NAME.test(path.at(-1) ?? ''))
    .map(({ path }) => (metainfo.isSingleFile ? root : join(root, ...path)))
  const wanted = LIMITS.catalogPreviewsMax.value
  const step = Math.max(1, candidates.length / wanted)
  const pictures: Uint8Array[] = []
  let placeholder: Uint8Array | null = null
  for (let at = 0; at < candidates.length && pictures.length < wanted; at += step) {
    // A picture that cannot be read is no reason not to share it.
    const small = await shrinker.shrink(candidates[Math.floor(at)]!).catch(() => undefined)
    if (small === undefined) continue
    placeholder ??= small.placeholder
    pictures.push(small.picture)
  }
  return { pictures, placeholder }
}

/** Without loading it here. */
function hasSharp(): boolean {
  try {
    createRequire(import.meta.url).resolve('sharp')
    return true
  } catch {
    return false
  }
}
