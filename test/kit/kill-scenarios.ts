/**
 * What is downloaded and published while processes are killed (`kills.ts`), the same in
 * the short and the long runs.
 */
import { accessSync, constants, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { onCleanUp, temporaryFolder } from './clean-up.ts'
import { Chance, type KillCounts, killBefore, killDownloads, killPublications, withSeed } from './kills.ts'
import { type Stage, stage, startSeed } from './stage.ts'
import { treeDifferences, treeHashes } from './trees.ts'

export const DOWNLOADS = ['in place', 'tmp-dir', 'tmp-dir elsewhere', 'some files', 'hybrid'] as const
export const PUBLICATIONS = ['create', 'share'] as const

const PIECE = 16_384
/** Of all sizes: empty, a part of a piece, and several pieces that they share with their neighbours. */
const FILES = Object.fromEntries(
  Array.from({ length: 16 }, (_, i) => [
    `album ${i % 3}/picture ${i}`,
    i === 5 ? 0 : 9_000 * (1 + ((i * 7) % 16)),
  ]),
)
const SELECTED = /picture (1|2|6|7|13)$/

export async function killDownloadsOf(
  kind: (typeof DOWNLOADS)[number],
  kills: number,
): Promise<KillCounts & { seed: number }> {
  const chance = new Chance(Chance.given)
  const set = stage({ files: FILES, pieceLength: PIECE, format: kind === 'hybrid' ? 'hybrid' : 'v1' })
  const seed = startSeed(set.file, set.source, { args: ['--upload-limit', '5MB/s'] })
  const isPart = kind === 'some files'
  const { wanted, shared } = selectedPieces(set, SELECTED)
  const download = {
    file: set.file,
    torrent: set.torrent,
    peers: [await seed.readyEndpoint()],
    args: isPart ? ['--select', '**/picture {1,2,6,7,13}'] : [],
    target: set.target,
    ...(kind === 'tmp-dir' && { tmp: set.folder('tmp') }),
    ...(kind === 'tmp-dir elsewhere' && { tmp: folderElsewhere() }),
    differences: () => (isPart ? selectedDifferences(set) : treeDifferences(set.source, set.target)),
    pieceCount: isPart ? wanted.size : set.torrent.pieceCount,
    ...(isPart && { sharedPieces: shared }),
  }
  const counts = await withSeed(chance, () => killDownloads(download, chance, kills))
  return { ...counts, seed: chance.seed }
}

export async function killPublicationsOf(
  command: (typeof PUBLICATIONS)[number],
  kills: number,
): Promise<void> {
  const chance = new Chance(Chance.given)
  const { source, torrent, folder } = stage({ files: FILES, pieceLength: PIECE })
  const content = join(source, torrent.name)
  const output =
    command === 'share'
      ? join(source, '.shoal', `${torrent.name}.torrent`)
      : // Every other time among the content itself.
        join(chance.below(2) === 0 ? content : folder('torrents'), 'made.torrent')
  await withSeed(chance, () => killPublications({ content, output, command }, chance, kills))
}

/**
 * A download of some files by way of a temporary folder, once for each change that it makes to the file
 * system: killed just before it, and then taken to its end. Gives how many there were.
 */
export async function killBeforeEachChange(): Promise<number> {
  const files = { 'a/1': 20_000, 'a/2': 30_000, 'b/1': 0, 'b/2': 20_000, c: 30_000 }
  const set = stage({ files, pieceLength: PIECE })
  const seed = startSeed(set.file, set.source)
  const peers = [await seed.readyEndpoint()]
  const { wanted, shared } = selectedPieces(set, /\/[12]$/)
  const download = (place: string) => ({
    file: set.file,
    torrent: set.torrent,
    peers,
    args: ['--select', '**/{1,2}'],
    target: set.folder(place),
    tmp: set.folder(`${place} tmp`),
    differences: () => {
      const source = treeHashes(set.source)
      source.delete('fixture/c')
      const target = treeHashes(join(set.root, place))
      return [...source].some(([path, hash]) => target.get(path) !== hash) || source.size !== target.size
        ? [`${[...target.keys()]}`]
        : []
    },
    pieceCount: wanted.size,
    sharedPieces: shared,
  })
  const count = await killBefore(0, download('counted'))
  let next = 1
  const worker = async () => {
    for (let at = next++; at <= count; at = next++) {
      try {
        await killBefore(at, download(`killed ${at}`))
      } catch (error) {
        throw new Error(`killed before change ${at} of ${count}: ${(error as Error).message}`, {
          cause: error,
        })
      }
    }
  }
  await Promise.all([worker(), worker()])
  return count
}

/** On another file system, where there is one: content is copied there, not renamed. */
function folderElsewhere(): string {
  const memory = '/dev/shm'
  try {
    if (!existsSync(memory)) return temporaryFolder('elsewhere')
    accessSync(memory, constants.W_OK)
    const folder = mkdtempSync(join(memory, 'shoal-elsewhere-'))
    onCleanUp(() => rmSync(folder, { recursive: true, force: true }))
    return folder
  } catch {
    return temporaryFolder('elsewhere')
  }
}

function selectedDifferences({ source, target }: Stage): string[] {
  const expected = new Map([...treeHashes(source)].filter(([path]) => SELECTED.test(path)))
  const actual = treeHashes(target)
  const wrong = [...expected]
    .filter(([path, hash]) => actual.get(path) !== hash)
    .map(([path]) => `wrong: ${path}`)
  for (const path of actual.keys()) if (!expected.has(path)) wrong.push(`not wanted: ${path}`)
  return wrong
}

/** Pieces that hold bytes of a selected file, and those of them that hold others' too; v1 without padding. */
function selectedPieces({ torrent }: Stage, selected: RegExp): { wanted: Set<number>; shared: Set<number> } {
  const [wanted, others] = [new Set<number>(), new Set<number>()]
  let offset = 0
  for (const [path, content] of torrent.files) {
    const end = offset + content.length
    const into = selected.test(path) ? wanted : others
    for (let piece = Math.floor(offset / PIECE); piece * PIECE < end; piece++) into.add(piece)
    offset = end
  }
  return { wanted, shared: new Set([...wanted].filter((piece) => others.has(piece))) }
}
