/**
 * Finds the files that a new torrent is made of: every regular file below the given paths, hidden ones too.
 * Names are kept byte for byte, also those that are not UTF-8, and come in the order of
 * their raw bytes, name by name.
 *
 * Left out and told: symbolic links, sockets, pipes, devices, and what may not be read. Left out silently:
 * what is excluded, folders named `.shoal` (our own resume data), and files that vanish meanwhile.
 * A given path itself may be a link, it is the user's own choice; nothing below it is followed.
 * Invariant: the walk looks only at names and sizes; `ContentFolder` opens the files, so
 * a swapped folder leads nowhere.
 */
import { isUtf8 } from 'node:buffer'
import { accessSync, constants, lstatSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { LIMITS } from '../base/limits.ts'
import type { PathComponent } from './content-folder.ts'
import { compileGlobs } from './file-glob.ts'
import { ShoalError } from './shoal-error.ts'
import { errnoOf, storageError } from './storage-error.ts'

export interface FoundFile {
  /** Index into `folders`, and the file's components below that one. */
  readonly folder: number
  readonly path: readonly PathComponent[]
  /** Components below the torrent's name; of a single file its name. */
  readonly torrentPath: readonly PathComponent[]
  /** Bytes. */
  readonly length: number
  /** Milliseconds since 1970. */
  readonly mtimeMs: number
  readonly isExecutable: boolean
}

export interface SkippedFile {
  /** Below the given path, with `/`. */
  readonly file: string
  readonly reason: 'symbolic link' | 'socket' | 'pipe' | 'device' | 'unreadable' | 'output file'
}

export interface FoundContent {
  /** Absolute. */
  readonly folders: readonly string[]
  readonly files: readonly FoundFile[]
  readonly skipped: readonly SkippedFile[]
  readonly name: string
  /** One path was given and it is a file. */
  readonly isSingleFile: boolean
  /**
   * Where the content stands under the torrent's name; undefined when it does not and
   * cannot be seeded in place.
   */
  readonly contentFolder: string | undefined
}

export interface WalkOptions {
  /** By default the name of the one path, or of the folder all paths are in. */
  readonly name?: string | undefined
  readonly excludes?: readonly string[] | undefined
  /** Where a torrent of that name will be written: not content, even if it lies among it. */
  readonly outputFile?: ((name: string) => string) | undefined
  readonly signal?: AbortSignal | undefined
  /**
   * Told now and then of what is found so far: lists that grow, in the torrent's order. What it throws ends
   * the search.
   */
  readonly onFiles?: ((found: Pick<FoundContent, 'folders' | 'files'>) => void) | undefined
}

const RESUME_FOLDER = '.shoal'
/** Entries looked at in one go: about 10 ms. */
const ENTRIES_PER_TURN = 2000
/** From one time that files are told to the next: about 1 ms. */
const ENTRIES_PER_NEWS = 250

/** Fails with `create/...` on paths that cannot be made a torrent, with the signal's reason when aborted. */
export async function findContent(
  paths: readonly string[],
  options: WalkOptions = {},
): Promise<FoundContent> {
  const roots = paths.map((given) => rootOf(given))
  const isSingle = roots.length === 1
  const isSingleFile = isSingle && roots[0]!.isFile
  const name = options.name ?? commonName(roots)
  checkTorrentName(name)
  if (!isSingle) refuseSameNames(roots)
  roots.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))

  const walk = new Walk(options, options.outputFile?.(name))
  for (const root of roots) {
    if (root.isFile) walk.addFile(root, isSingleFile ? [name] : [root.name])
    else await walk.addFolder(root.absolute, isSingle ? [] : [root.name])
  }
  const { folders, files, skipped } = walk
  return { folders, files, skipped, name, isSingleFile, contentFolder: contentFolderOf(roots, name) }
}

interface Root {
  readonly given: string
  readonly absolute: string
  readonly name: string
  readonly isFile: boolean
  readonly stat: Stats
}

function rootOf(given: string): Root {
  const absolute = path.resolve(given)
  let stat: Stats
  try {
    stat = statSync(absolute)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw storageError(error, given)
    throw new ShoalError('create/not-found', `${given} does not exist`, 'Check the path.', { cause: error })
  }
  if (!stat.isFile() && !stat.isDirectory()) {
    throw new ShoalError(
      'create/not-a-file',
      `${given} is neither a file nor a folder`,
      'Name files or folders.',
    )
  }
  return { given, absolute, name: path.basename(absolute), isFile: stat.isFile(), stat }
}

/** Several paths that lie side by side are shared under the name of their folder. */
function commonName(roots: readonly Root[]): string {
  if (roots.length === 1) return roots[0]!.name
  const parents = new Set(roots.map((root) => path.dirname(root.absolute)))
  if (parents.size === 1) return path.basename([...parents][0]!)
  throw new ShoalError(
    'create/no-name',
    'The paths are in different folders.',
    'Say what they are called together with --name.',
  )
}

function checkTorrentName(name: string): void {
  if (name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name)) return
  throw new ShoalError(
    'create/bad-name',
    `${JSON.stringify(name)} cannot be the name of a torrent.`,
    'Give another with --name.',
  )
}

function refuseSameNames(roots: readonly Root[]): void {
  const byName = new Map<string, Root>()
  for (const root of roots) {
    const other = byName.get(root.name)
    if (other !== undefined) {
      const message = `${other.given} and ${root.given} have the same name.`
      throw new ShoalError('create/same-name', message, 'Share them in two torrents, or rename one.')
    }
    byName.set(root.name, root)
  }
}

function contentFolderOf(roots: readonly Root[], name: string): string | undefined {
  const parents = new Set(roots.map((root) => path.dirname(root.absolute)))
  if (parents.size > 1) return undefined
  const [parent] = parents
  if (roots.length === 1) return roots[0]!.name === name ? parent : undefined
  return path.basename(parent!) === name ? path.dirname(parent!) : undefined
}

/** A folder on the way down, and which of its names comes next. */
interface OpenFolder {
  readonly on: string | Buffer
  readonly torrentPath: readonly PathComponent[]
  readonly names: readonly string[]
  next: number
}

class Walk {
  readonly folders: string[] = []
  readonly files: FoundFile[] = []
  readonly skipped: SkippedFile[] = []
  readonly #isExcluded: ((path: readonly string[]) => boolean) | undefined
  readonly #output: Stats | undefined
  readonly #signal: AbortSignal | undefined
  readonly #onFiles: WalkOptions['onFiles']
  #entryCount = 0

  constructor({ excludes = [], signal, onFiles }: WalkOptions, outputFile: string | undefined) {
    this.#isExcluded = excludes.length > 0 ? compileGlobs(excludes) : undefined
    this.#output = outputFile === undefined ? undefined : statSync(outputFile, { throwIfNoEntry: false })
    this.#signal = signal
    this.#onFiles = onFiles
  }

  /** A given file; the folder it really is in is opened, so that the path may be a link. */
  addFile(root: Root, torrentPath: readonly string[]): void {
    const real = realpathSync(root.absolute)
    this.folders.push(path.dirname(real))
    this.#addEntry(real, [path.basename(real)], torrentPath, root.stat)
  }

  /** Depth first, each folder's names in order, which is the order of whole paths name by name. */
  async addFolder(absolute: string, prefix: readonly string[]): Promise<void> {
    this.#signal?.throwIfAborted()
    this.folders.push(absolute)
    const open: OpenFolder[] = []
    const enter = (on: string | Buffer, torrentPath: readonly PathComponent[]): void => {
      const names = this.#names(on, torrentPath)
      if (names !== undefined) open.push({ on, torrentPath, names, next: 0 })
    }
    enter(absolute, prefix)
    if (open.length === 0)
      throw new ShoalError(
        'create/unreadable',
        `${absolute} may not be read`,
        'Give yourself read permission on it.',
      )
    for (let folder = open.at(-1); folder !== undefined; folder = open.at(-1)) {
      const latin1 = folder.names[folder.next++]
      if (latin1 === undefined) {
        open.pop()
        continue
      }
      if (++this.#entryCount % ENTRIES_PER_NEWS === 0) this.#onFiles?.(this)
      if (this.#entryCount % ENTRIES_PER_TURN === 0) {
        await setImmediate()
        this.#signal?.throwIfAborted()
      }
      const name = componentOf(latin1)
      const on = join(folder.on, name)
      // As long as it is: a literal with a spread has room for sixteen more, in each of 300,000.
      const torrentPath = folder.torrentPath.concat([name])
      if (this.#isExcluded?.(torrentPath.map(textOf))) continue
      const stat = this.#stat(on, torrentPath)
      if (stat === undefined) continue
      if (!stat.isDirectory())
        this.#addEntry(
          on,
          prefix.length === 0 ? torrentPath : torrentPath.slice(prefix.length),
          torrentPath,
          stat,
        )
      else if (name !== RESUME_FOLDER) enter(on, torrentPath)
    }
  }

  #addEntry(
    on: string | Buffer,
    below: readonly PathComponent[],
    torrentPath: readonly PathComponent[],
    stat: Stats,
  ): void {
    const reason = this.#reasonToSkip(on, stat)
    if (reason !== undefined) {
      this.skipped.push({ file: torrentPath.map(textOf).join('/'), reason })
      return
    }
    if (this.files.length === LIMITS.filesMax.value) {
      throw new ShoalError(
        'create/too-many-files',
        `More than ${LIMITS.filesMax.value} files.`,
        'Share them in several torrents.',
      )
    }
    const isExecutable = process.platform !== 'win32' && (stat.mode & constants.S_IXUSR) !== 0
    const { size: length, mtimeMs } = stat
    this.files.push({
      folder: this.folders.length - 1,
      path: below,
      torrentPath,
      length,
      mtimeMs,
      isExecutable,
    })
  }

  #reasonToSkip(on: string | Buffer, stat: Stats): SkippedFile['reason'] | undefined {
    if (!stat.isFile()) {
      if (stat.isSymbolicLink()) return 'symbolic link'
      if (stat.isSocket()) return 'socket'
      return stat.isFIFO() ? 'pipe' : 'device'
    }
    if (this.#output !== undefined && stat.ino === this.#output.ino && stat.dev === this.#output.dev)
      return 'output file'
    return isReadable(on, stat) ? undefined : 'unreadable'
  }

  /** Sorted by raw bytes: Latin-1 text has one character for each. Undefined when they may not be read. */
  #names(on: string | Buffer, torrentPath: readonly PathComponent[]): readonly string[] | undefined {
    if (torrentPath.length >= LIMITS.pathDepthMax.value) {
      throw new ShoalError(
        'create/too-deep',
        `Folders are nested deeper than ${LIMITS.pathDepthMax.value}: ${torrentPath.map(textOf).join('/')}`,
        'Exclude them with --exclude.',
      )
    }
    try {
      return readdirSync(on, 'latin1').sort()
    } catch (error) {
      return this.#skipUnreadable(error, torrentPath)
    }
  }

  #stat(on: string | Buffer, torrentPath: readonly PathComponent[]): Stats | undefined {
    try {
      return lstatSync(on, { throwIfNoEntry: false })
    } catch (error) {
      return this.#skipUnreadable(error, torrentPath)
    }
  }

  #skipUnreadable(error: unknown, torrentPath: readonly PathComponent[]): undefined {
    const errno = errnoOf(error)
    const file = torrentPath.map(textOf).join('/')
    if (errno !== 'EACCES' && errno !== 'EPERM') throw storageError(error, file)
    this.skipped.push({ file, reason: 'unreadable' })
  }
}

/** A file that everybody may read needs no question to the system. */
function isReadable(on: string | Buffer, stat: Stats): boolean {
  if ((stat.mode & 0o444) === 0o444) return true
  try {
    accessSync(on, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** The name as text where it is UTF-8, else its bytes. */
function componentOf(latin1: string): PathComponent {
  if (isAscii(latin1)) return latin1
  const bytes = Buffer.from(latin1, 'latin1')
  return isUtf8(bytes) ? bytes.toString() : bytes
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

function textOf(name: PathComponent): string {
  return typeof name === 'string' ? name : Buffer.from(name).toString()
}

function join(folder: string | Buffer, name: PathComponent): string | Buffer {
  if (typeof folder === 'string' && typeof name === 'string') return `${folder}/${name}`
  return Buffer.concat([Buffer.from(folder), Buffer.from('/'), Buffer.from(name)])
}
