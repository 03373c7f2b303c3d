/** Torrents as users name them: a `.torrent` file, a folder of them, a magnet link. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LIMITS } from '../base/limits.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { parseMagnet } from '../wire/magnet.ts'
import { type Metainfo, parseMetainfo } from '../wire/metainfo.ts'
import type { Output } from './output.ts'

/** Throws `input/…`, `bencode/…` or `metainfo/…`; what is odd but loadable is a warning. */
export function readTorrent(path: string, output: Output): Metainfo {
  const { size } = statSync(path)
  if (size > LIMITS.metainfoBytesMax.value)
    throw new ShoalError(
      'input/too-large',
      `${path} is too large for a .torrent (${size} bytes)`,
      'Check that it is the right file.',
    )
  const parsed = parseMetainfo(readFileSync(path), nodeCrypto)
  if (!parsed.ok) {
    const { code, message, hint } = parsed.error
    throw new ShoalError(
      code,
      `${path}: ${message}`,
      hint ?? 'Check that it is a whole .torrent file; get it again.',
    )
  }
  for (const { code, message, hint } of parsed.value.warnings)
    output.warning({ code, message: `${path}: ${message}`, hint })
  return parsed.value
}

/** The `.torrent` files in a folder, by name. */
export function torrentsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.torrent'))
    .sort()
    .map((name) => join(folder, name))
}

/** Files stay; a folder becomes the torrents in it. Throws `input/no-torrents` for one without any. */
export function expandTorrents(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [path]
    const torrents = torrentsIn(path)
    if (torrents.length === 0)
      throw new ShoalError(
        'input/no-torrents',
        `there is no .torrent in ${path}`,
        'Name a .torrent file, or a folder that holds some.',
      )
    return torrents
  })
}

/** What `get` was given. A magnet link is understood, but cannot be followed yet. */
export function readSource(source: string, output: Output): Metainfo {
  if (!/^magnet:/i.test(source)) return readTorrent(source, output)
  const magnet = parseMagnet(source)
  if (!magnet.ok) throw ShoalError.from(magnet.error)
  throw new ShoalError(
    'get/magnet-unsupported',
    'a magnet link alone is not enough yet: metadata is not fetched from peers',
    'Ask for the .torrent file and use that.',
  )
}
