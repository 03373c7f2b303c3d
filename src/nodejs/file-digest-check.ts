/**
 * Checks the SHA-1 that some torrents give for each whole file (BEP 47), beside the hashes of pieces.
 * To the hash pool, a file is then one long piece that ends where the file does.
 */
import { equalBytes } from '../base/bytes.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { ContentFolder } from './content-folder.ts'
import type { ContentPaths } from './content-location.ts'
import { HashPool, type HashWork } from './hash-pool.ts'
import { type ContentEntry, planJobs } from './piece-plan.ts'

export interface FileDigestCheckOptions {
  /** Where each entry of `metainfo.files` stands below `dir`. */
  readonly paths: ContentPaths
  readonly signal?: AbortSignal | undefined
  readonly pool?: HashPool | undefined
}

/** Indexes of files that have a digest and are not there with it. Rejects like `checkPieces`. */
export async function checkFileDigests(
  metainfo: Metainfo,
  dir: string,
  options: FileDigestCheckOptions,
): Promise<Set<number>> {
  const { files } = metainfo
  const withDigest = [...files.keys()].filter(
    (file) => files[file]!.sha1 !== undefined && files[file]!.length > 0,
  )
  const wrong = new Set<number>()
  if (withDigest.length === 0) return wrong
  // Each file gets a stretch of piece space of its own, as long as the longest.
  const pieceLength = Math.max(...withDigest.map((file) => files[file]!.length))
  const entries: ContentEntry[] = withDigest.map((file, index) => ({
    folder: 0,
    path: options.paths.at(file)!,
    length: files[file]!.length,
    offset: index * pieceLength,
  }))
  const work = {
    settings: {
      folders: [new ContentFolder(dir).root],
      pieceLength,
      v1: true,
      v2: false,
      isCutAtFiles: true,
      isStrict: false,
    },
    jobs: planJobs(entries, pieceLength, [{ start: 0, end: entries.length }]),
    onJob: ({ firstPiece }, { v1, missing }) => {
      for (const [index, isMissing] of missing.entries()) {
        const file = withDigest[firstPiece + index]!
        const digest = v1!.subarray(20 * index, 20 * (index + 1))
        if (isMissing || !equalBytes(digest, files[file]!.sha1!)) wrong.add(file)
      }
    },
  } satisfies HashWork
  await (options.pool ?? HashPool.shared).run(work, options.signal)
  return wrong
}
