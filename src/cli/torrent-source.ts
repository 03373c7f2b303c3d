/** Torrents as users name them: a `.torrent` file, a folder of them, a magnet link. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LIMITS } from '../base/limits.ts'
import { expectOnHeap } from '../nodejs/heap-growth.ts'
import { download } from '../nodejs/http-download.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import { withoutOptimizer } from '../nodejs/optimizer.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { type Magnet, parseMagnet } from '../wire/magnet.ts'
import { type Metainfo, parseMetainfo } from '../wire/metainfo.ts'
import type { CommandContext } from './command-context.ts'
import { readInputFile } from './input-file.ts'
import type { Output } from './output.ts'

/** Throws `usage/…`, `input/…`, `bencode/…` or `metainfo/…`; what is odd but loadable is a warning. */
export function readTorrent(path: string, output: Output): Metainfo {
  refuseLinks(path)
  return parseTorrent(readInputFile(path), path, output)
}

/** As `readTorrent`, of a `.torrent` on the web. Throws `input/bad-url` and `transfer/stopped` too. */
export async function fetchTorrent(
  source: string,
  { output, settings, signal }: Pick<CommandContext, 'output' | 'settings' | 'signal'>,
): Promise<Metainfo> {
  const fault = (message: string, cause?: unknown) =>
    new ShoalError('input/bad-url', message, 'Check the address; or save the .torrent and name the file.', {
      cause,
    })
  if (!URL.canParse(source)) throw fault(`this is no address: ${source}`)
  const url = new URL(source)
  const bytes = await download(url, {
    signal,
    localAddress: settings.host === 'all' ? undefined : settings.host,
    // The user named it.
    scopeMin: 'machine',
    bytesMax: LIMITS.metainfoBytesMax.value,
    redirectsMax: LIMITS.torrentRedirectsMax.value,
    fault,
  }).catch((error: unknown) => {
    if (!signal.aborted) throw error
    throw new ShoalError(
      'transfer/stopped',
      'stopped before the .torrent was here',
      'Start it again to go on.',
    )
  })
  // Its query may hold a secret.
  return parseTorrent(bytes, `${url.origin}${url.pathname}`, output)
}

function parseTorrent(bytes: Buffer, source: string, output: Output): Metainfo {
  expectOnHeap({ metainfoBytes: bytes.length })
  const parsed = withoutOptimizer(() => parseMetainfo(bytes, nodeCrypto))
  if (!parsed.ok) {
    const { code, message, hint } = parsed.error
    throw new ShoalError(
      code,
      `${source}: ${message}`,
      mistakenFor(bytes) ?? hint ?? 'Check that it is a whole .torrent file; get it again.',
    )
  }
  for (const { code, message, hint } of parsed.value.warnings)
    output.warning({ code, message: `${source}: ${message}`, hint })
  return parsed.value
}

/** What a link leads to must be on disk first. */
function refuseLinks(source: string): void {
  if (/^magnet:/i.test(source))
    throw new ShoalError('usage/magnet-source', 'a magnet link is not enough here', 'Name the .torrent file.')
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source))
    throw new ShoalError(
      'usage/url-source',
      `URLs are not fetched here: ${source}`,
      'Download the .torrent first, then name the file.',
    )
}

/** How files begin that are often saved in place of a `.torrent`; Latin-1, in lower case. */
const MISTAKES: readonly (readonly [what: string, beginnings: readonly string[]])[] = [
  ['a web page', ['<!doctype', '<html', '<head', '<body', '<?xml', '<!--']],
  ['a picture', ['\x89png', '\xff\xf8\xff', 'gif8', 'riff']],
  ['a packed archive', ['pk\x03\x04', '\x1f\x8b', '7z\xbc\xaf', 'rar!']],
  ['a magnet link', ['magnet:']],
]

function mistakenFor(bytes: Buffer): string | undefined {
  const beginning = bytes
    .toString('latin1', 0, 256)
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
    .toLowerCase()
  for (const [what, beginnings] of MISTAKES)
    if (beginnings.some((known) => beginning.startsWith(known)))
      return `This looks like ${what}, not a .torrent; get the .torrent file itself.`
  return undefined
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
    refuseLinks(path)
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

/** What `get` was given: a torrent, or a link to one. Throws `magnet/...` and what `readTorrent` throws. */
export function readSource(source: string, output: Output): Metainfo | Magnet {
  if (!/^magnet:/i.test(source)) return readTorrent(source, output)
  const magnet = parseMagnet(source)
  if (!magnet.ok) throw ShoalError.from(magnet.error)
  return magnet.value
}
