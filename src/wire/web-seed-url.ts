/**
 * Where a web seed keeps a file (BEP 19). The address in the torrent is that of the file itself, or of the
 * folder in which the torrent's own name stands: for torrents of several files always the latter.
 * Names go out as the bytes that stand in the torrent, percent-encoded, so that they are found whatever their
 * encoding is. A component that a URL would take for a step (`..`) is sent as the safe name we use ourselves.
 */
import { encodeUtf8, percentEncode, toLatin1 } from '../base/text.ts'
import type { FileEntry, Metainfo } from './metainfo.ts'

/** Longer ones are refused by most servers. */
const URL_LENGTH_MAX = 8192

/** HTTP or HTTPS with a host, and not longer than servers take. */
export function isWebSeedUrl(url: string): boolean {
  return url.length <= URL_LENGTH_MAX && /^https?:\/\/[^/?#\s]+/i.test(url)
}

/** For people: without password, query and fragment, which may be secrets (S26). */
export function webSeedName(url: string): string {
  return url
    .slice(0, URL_LENGTH_MAX)
    .replace(/[?#].*$/s, '')
    .replace(/^([a-z]+:\/\/)[^/]*@/i, '$1')
}

/** The address of a file of the torrent. */
export function webSeedFileUrl(
  url: string,
  { name, rawName, isSingleFile }: Pick<Metainfo, 'name' | 'rawName' | 'isSingleFile'>,
  file: Pick<FileEntry, 'path' | 'rawPath'>,
): string {
  const base = url.replace(/#.*$/s, '')
  if (isSingleFile) return base.endsWith('/') ? base + encodeName(rawName, name) : base
  const names = file.path.map((safe, index) => encodeName(file.rawPath?.[index], safe))
  const folder = base.endsWith('/') ? base : `${base}/`
  return folder + [encodeName(rawName, name), ...names].join('/')
}

function encodeName(raw: Uint8Array | undefined, safe: string): string {
  const text = raw === undefined ? '' : toLatin1(raw)
  return percentEncode(raw === undefined || /^\.{0,2}$/.test(text) ? encodeUtf8(safe) : raw)
}
