/**
 * What peers gave for a magnet link, kept in a folder of the user, apart from the content: the same link goes
 * on at once next time, also when whoever starts it is the last one who has the content.
 * Invariant: it is believed only as far as its hashes are those of the link; a damaged file is as good as
 * none.
 */
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { equalBytes, toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { toLatin1 } from '../base/text.ts'
import { lacksPieceLayers } from '../swarm/layer-fetch.ts'
import { BencodedBytes, encodeBencode } from '../wire/bencode.ts'
import { type Metainfo, parseMetainfo } from '../wire/metainfo.ts'
import { keepNewestFiles } from './newest-files.ts'
import { nodeCrypto } from './node-crypto.ts'
import { PLACE_NOTES_MAX, placeNotePath } from './place-notes.ts'
import { writeWhole } from './whole-file.ts'

/** What a link says of a torrent. */
type Hashes = Pick<Metainfo, 'infoHashV1' | 'infoHashV2'>

export function keptMetadata(folder: string, dir: string, hashes: Hashes): Metainfo | undefined {
  const file = fileOf(folder, dir, hashes)
  try {
    if (statSync(file).size > LIMITS.metainfoBytesMax.value) return undefined
    const parsed = parseMetainfo(readFileSync(file), nodeCrypto)
    return parsed.ok && isTorrentOf(parsed.value, hashes) && !lacksPieceLayers(parsed.value)
      ? parsed.value
      : undefined
  } catch {
    // Not there, or not to be read: peers have it.
    return undefined
  }
}

export function keepMetadata(folder: string, dir: string, hashes: Hashes, metainfo: Metainfo): void {
  const layers = new Map<string, Uint8Array>()
  for (const { piecesRoot, pieceLayer } of metainfo.files)
    if (piecesRoot !== null && pieceLayer !== null) layers.set(toLatin1(piecesRoot), pieceLayer)
  const info = new BencodedBytes(metainfo.infoBytes)
  const bytes = encodeBencode({ info, ...(layers.size > 0 && { 'piece layers': layers }) })
  const file = fileOf(folder, dir, hashes)
  try {
    mkdirSync(path.dirname(file), { recursive: true })
    writeWhole(file, bytes)
    keepNewestFiles(folder, PLACE_NOTES_MAX)
  } catch {
    // It is only a short cut.
  }
}

function fileOf(folder: string, dir: string, { infoHashV1, infoHashV2 }: Hashes): string {
  return placeNotePath(folder, toHex(infoHashV1 ?? infoHashV2!), dir, 'torrent')
}

/** Whether it is the torrent that a link with these hashes means. */
export function isTorrentOf(metainfo: Metainfo, { infoHashV1, infoHashV2 }: Hashes): boolean {
  return isSame(metainfo.infoHashV1, infoHashV1) && isSame(metainfo.infoHashV2, infoHashV2)
}

/** @param known null when the link does not say */
function isSame(hash: Uint8Array | null, known: Uint8Array | null): boolean {
  return known === null || (hash !== null && equalBytes(hash, known))
}
