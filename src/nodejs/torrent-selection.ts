/** Which files of a torrent are downloaded, and whether it can be downloaded at all. */
import { lacksPieceLayers } from '../swarm/layer-fetch.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { ShoalError } from './shoal-error.ts'

/** Undefined = all. @param select by the path below the torrent's folder */
export function selectFiles(
  metainfo: Metainfo,
  select: ((path: readonly string[]) => boolean) | undefined,
): ReadonlySet<number> | undefined {
  if (select === undefined) return undefined
  const selected = new Set<number>()
  for (const [file, entry] of metainfo.files.entries())
    if (!entry.isPad && select(entry.path)) selected.add(file)
  return selected
}

/** Without the piece hashes of every file nothing that comes in could be checked (BEP 52 `piece layers`). */
export function refuseUnverifiable(metainfo: Metainfo): void {
  if (!lacksPieceLayers(metainfo)) return
  throw new ShoalError(
    'transfer/missing-piece-layers',
    'this v2 torrent lacks the hashes of its pieces',
    'get the complete .torrent file from where it was published',
  )
}
