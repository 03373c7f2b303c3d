/**
 * The process that decodes pictures (S45). Decoders are large, written in C, and fed with files of strangers;
 * so they run here, where there is no key, no socket and no environment, and whoever started it believes
 * nothing it says but the length of its answers. It ends when its input does.
 *
 *     in:   length (4 bytes), picture
 *     out:  length (4 bytes), small picture as WebP, length (1 byte), ThumbHash; both lengths 0 for none
 */
import sharp from 'sharp'
import { rgbaToThumbHash } from 'thumbhash'
import { LIMITS } from '../base/limits.ts'

/** From large and good to small and poor: the first that fits is taken. */
const ATTEMPTS = [
  { side: 320, quality: 72 },
  { side: 320, quality: 45 },
  { side: 200, quality: 40 },
] as const
/** ThumbHash takes no larger picture. */
const PLACEHOLDER_SIDE = 100
const NOTHING = new Uint8Array(0)

sharp.cache(false)
sharp.concurrency(1)

let pending: Buffer[] = []
let length = 0
for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
  pending.push(chunk)
  length += chunk.length
  // Joined once for each picture: the first four bytes come in one chunk, since they are sent in one.
  if (length < 4 || length < 4 + pending[0]!.readUInt32BE(0)) continue
  // Whoever sends waits for the answer before it sends another.
  await answer(Buffer.concat(pending).subarray(4))
  pending = []
  length = 0
}

async function answer(source: Uint8Array): Promise<void> {
  let picture: Uint8Array = NOTHING
  let placeholder: Uint8Array = NOTHING
  try {
    picture = await shrink(source)
    if (picture.length > 0) placeholder = await placeholderOf(picture)
  } catch {
    // A picture that cannot be read is no reason not to share it.
  }
  const head = Buffer.alloc(4)
  head.writeUInt32BE(picture.length)
  process.stdout.write(Buffer.concat([head, picture, Buffer.of(placeholder.length), placeholder]))
}

async function shrink(source: Uint8Array): Promise<Uint8Array> {
  for (const { side, quality } of ATTEMPTS) {
    const picture = await sharp(source, {
      limitInputPixels: LIMITS.previewPixelsMax.value,
      failOn: 'error',
    })
      .rotate()
      .resize(side, side, { fit: 'inside', withoutEnlargement: true })
      .webp({ quality })
      .toBuffer()
    if (picture.length <= LIMITS.catalogPreviewBytesMax.value) return picture
  }
  return NOTHING
}

async function placeholderOf(picture: Uint8Array): Promise<Uint8Array> {
  const { data, info } = await sharp(picture)
    .resize(PLACEHOLDER_SIDE, PLACEHOLDER_SIDE, { fit: 'inside', withoutEnlargement: true })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  return rgbaToThumbHash(info.width, info.height, data)
}
