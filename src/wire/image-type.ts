/**
 * What kind of picture some bytes are, by how they begin, whatever their name says. Only kinds that every
 * browser shows and that cannot carry script: SVG is none of them (S45).
 */
import { toLatin1 } from '../base/text.ts'

export type ImageType = 'image/jpeg' | 'image/png' | 'image/webp' | 'image/avif'

export function imageTypeOf(bytes: Uint8Array): ImageType | undefined {
  const head = toLatin1(bytes.subarray(0, 32))
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg'
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png'
  if (head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP') return 'image/webp'
  // ISO base media: the brand stands behind the length of the first box.
  if (head.slice(4, 8) === 'ftyp' && /avi[fs]/.test(head.slice(8))) return 'image/avif'
  return undefined
}
