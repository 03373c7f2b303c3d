/**
 * One torrent of a peer node from `add` to `stop`: what is there is checked, the swarm machine gets it, and
 * when the download is complete the content is put in its place and read once more.
 * Invariants: `complete` comes once everything wanted is verified, written and in its place; with final check
 * `before` it comes only after a full re-read; a piece found wrong later is fetched again.
 */
import type { Bitfield } from '../base/bitfield.ts'
import { toHex } from '../base/bytes.ts'
import type { SwarmInput } from '../swarm/effects.ts'
import type { SwarmEvent } from '../swarm/events.ts'
import { Geometry } from '../swarm/geometry.ts'
import { lacksPieceLayers } from '../swarm/layer-fetch.ts'
import type { PickOrder } from '../swarm/piece-picker.ts'
import type { Torrent } from '../swarm/torrent.ts'
import type { TorrentOptions } from '../swarm/torrent-options.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { MERKLE_BLOCK_LENGTH } from '../wire/merkle.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { ContentCare } from './content-care.ts'
import { ContentCheck } from './content-check.ts'
import { ContentFolder, type ContentStat, type PathComponent } from './content-folder.ts'
import { locateFiles } from './content-location.ts'
import { FileStore } from './file-store.ts'
import type { MagnetTask } from './magnet-task.ts'
import type { NodeEvent } from './node-events.ts'
import { filesOverwritten, overwriteWarning } from './overwrite-warning.ts'
import { type Resume, takeResume } from './resume-file.ts'
import { ShoalError } from './shoal-error.ts'
import { type SpaceNeed, spaceNeeds } from './space-check.ts'
import { seedResumePath, TransferState } from './transfer-state.ts'

export interface TorrentAddOptions {
  readonly metainfo: Metainfo
  /** The folder in which the torrent's own name stands. */
  readonly dir: string
  /** `seed` never requests anything. */
  readonly role: 'download' | 'seed'
  readonly picker: PickOrder
  /** Tiers; undefined = those of the metainfo. */
  readonly trackers?: readonly (readonly string[])[]
  readonly peers: readonly Endpoint[]
  /** Which files are wanted, by their path below the torrent's folder; all by default. */
  readonly select?: (path: readonly string[]) => boolean
  readonly finalCheck: 'before' | 'after' | 'off'
  /** What is there and wrong is to be written over; nobody has to be told. */
  readonly isRepair?: boolean
  /** Whose place it takes, when it began as a magnet link. */
  readonly magnet?: MagnetTask
  /** Where content stands until it is complete. */
  readonly tmpDir?: string
  /** Begins although there is not enough space for all that is missing. */
  readonly ignoresSpace?: boolean
  /** Nothing else needs this thread until what is there was checked: it hashes as well. */
  readonly usesOwnThread?: boolean
}

/** What all torrents of a node have in common. */
export interface TorrentDefaults {
  /** Pieces gathered at once, in all and from one peer; undefined = as many as keep the pipe full. */
  readonly piecesInFlightMax: number | undefined
  readonly piecesPerPeerMax: number | undefined
  readonly connectionsMax: number
  readonly uploadSlotCount: number
  readonly usesTrackers: boolean
  /** The first announce must succeed. */
  readonly requiresTracker: boolean
  readonly announceIntervalSeconds: number | undefined
  /** Hybrids announce under the infohash that aria2 computes, too. */
  readonly announcesRebuilt: boolean
  /** Peer exchange (BEP 11). */
  readonly exchangesPeers: boolean
}

export interface TaskSurroundings {
  push(input: SwarmInput): void
  openStore(torrent: number, store: FileStore): void
  /** The machine's state of this torrent; undefined before it was added. */
  torrent(id: number): Torrent | undefined
  emit(id: number, event: NodeEvent): void
}

export class TorrentTask {
  readonly id: number
  readonly options: TorrentAddOptions
  /** Hex: the v1 infohash, else the v2 one. */
  readonly infoHash: string
  /** Resolves once complete and checked as asked; rejects when `failed` does. */
  readonly done: Promise<void>
  /**
   * Never resolves; rejects with ShoalError when it cannot go on as asked, or was stopped before it was done.
   */
  readonly failed: Promise<never>
  readonly #around: TaskSurroundings
  readonly #geometry: Geometry
  readonly #selectedFiles: ReadonlySet<number> | undefined
  readonly #abort = new AbortController()
  readonly #paths: readonly (readonly PathComponent[])[]
  readonly #defaults: TorrentDefaults
  #resolve!: () => void
  #reject!: (error: ShoalError) => void
  /** Nothing stood in its place when it began. */
  #isNew = false
  #hasAnnounced = false
  readonly #content: ContentCheck
  /** Of the files, when all were looked at just now. */
  #stats: (ContentStat | undefined)[] | undefined
  /** What goes on with it on disk, while it is in the swarm. */
  readonly care: ContentCare
  #folder: ContentFolder
  #store: FileStore
  #state: TransferState | undefined
  #seconds = 0
  #bytes = 0

  constructor(id: number, options: TorrentAddOptions, defaults: TorrentDefaults, around: TaskSurroundings) {
    this.id = id
    this.options = options
    this.infoHash = toHex(options.metainfo.infoHashV1 ?? options.metainfo.infoHashV2!)
    this.#defaults = defaults
    this.#hasAnnounced = options.magnet?.hasAnnounced ?? false
    this.#around = around
    this.#geometry = new Geometry(options.metainfo, MERKLE_BLOCK_LENGTH)
    this.#selectedFiles = selectFiles(options)
    this.#folder = new ContentFolder(firstFolder(options))
    this.#paths = locateFiles(options.metainfo, this.#folder)
    this.#content = new ContentCheck({
      metainfo: options.metainfo,
      geometry: this.#geometry,
      folder: () => this.#folder,
      paths: this.#paths,
      selectedFiles: this.#selectedFiles,
      signal: this.#abort.signal,
    })
    this.care = new ContentCare(id, this.#content, this.#geometry, {
      push: (input) => around.push(input),
      emit: (event) => around.emit(id, event),
      torrent: () => around.torrent(id),
      fail: (error) => this.#reject(error),
    })
    this.#store = this.#openStore()
    this.failed = new Promise((_, reject) => {
      this.#reject = reject
    })
    const completed = new Promise<void>((resolve) => {
      this.#resolve = resolve
    })
    this.done = Promise.race([completed, this.failed])
    // Not everybody waits for them.
    this.failed.catch(() => {})
    this.done.catch(() => {})
  }

  get name(): string {
    return this.options.metainfo.name
  }

  /** Checks what is there and joins the swarm. Throws ShoalError. */
  async start(): Promise<void> {
    const { metainfo, role } = this.options
    if (role === 'download') refuseUnverifiable(metainfo)
    if (role === 'download') {
      this.#state = TransferState.open(this.#folder.root, this.infoHash)
      if (this.options.tmpDir !== undefined) new ContentFolder(this.options.dir).mkdirsSync([])
    }
    this.#isNew = !this.#isThere()
    this.#addTorrent()
    const isContinued = this.#state?.isContinued ?? false
    const found = await this.#found()
    if (this.#abort.signal.aborted) return
    if (role === 'download' && !isContinued && !this.options.isRepair) this.#warnOfOverwriting(found)
    this.#around.emit(this.id, { event: 'checked', pieces: found.count, total: metainfo.pieceCount })
    this.#join(found)
  }

  swarmEvent(event: SwarmEvent): void {
    if (event.event === 'downloaded') {
      this.#bytes = event.bytes
      this.#seconds = event.seconds
      this.#complete().catch((error: unknown) => {
        if (!this.#abort.signal.aborted) this.#reject(error as ShoalError)
      })
      return
    }
    this.#around.emit(this.id, event)
    if (event.event === 'announced') this.#hasAnnounced = true
    if (event.event === 'paused') this.care.paused(event)
    if (event.event === 'piece-verified') this.care.progressed()
    if (event.event === 'piece-unreadable') this.care.unreadable(event.piece)
    if (event.event === 'announce-failed' && this.#defaults.requiresTracker && !this.#hasAnnounced)
      this.#reject(new ShoalError('tracker/required', event.message, event.hint))
  }

  /** Ends checks under way. */
  abort(): void {
    this.#abort.abort()
  }

  /** After the machine has stopped: remembers what is there and lets go of everything. */
  stop(): void {
    this.abort()
    const torrent = this.#around.torrent(this.id)
    const isComplete = torrent?.isComplete ?? false
    if (torrent !== undefined && !isComplete) this.#remember(torrent)
    this.#store.close()
    this.#folder.close()
    this.#state?.close(isComplete)
    this.#state = undefined
    this.#reject(
      new ShoalError(
        'transfer/stopped',
        'stopped before the download was complete',
        'start it again to go on',
      ),
    )
  }

  #remember(torrent: Torrent): void {
    // Where the content has gone there is no place to write to, and nothing to vouch for.
    if (this.#state === undefined || this.care.isGone()) return
    try {
      this.#content.remember(this.#state.resumePath, torrent.core.pieces.have)
    } catch (cause) {
      this.#around.emit(this.id, {
        event: 'warning',
        code: 'resume/not-saved',
        message: `the resume data could not be saved: ${(cause as Error).message}`,
        hint: 'nothing is lost: all files are checked at the next start',
      })
    }
  }

  /** So that the next start need not read unchanged files. Where nothing can be written, it does. */
  #rememberSeed(found: Bitfield): void {
    const path = seedResumePath(this.#folder.root, this.infoHash)
    this.#stats = this.#content.stats()
    try {
      if (found.count > 0) this.#content.remember(path, found, this.#stats)
    } catch {
      // Somebody else's folder, perhaps; seeding goes on all the same.
    }
  }

  #takeCare(): void {
    this.care.begin(
      {
        folder: this.#folder,
        store: this.#store,
        paths: this.#paths,
        isStored: (file) => this.#isStored(file),
      },
      this.#stats,
    )
    this.#stats = undefined
  }

  #isStored(file: number): boolean {
    const { isPad, symlink } = this.options.metainfo.files[file]!
    return !isPad && symlink === undefined && this.#content.isSelected(file)
  }

  #spaceNeeds(found: Bitfield): SpaceNeed[] {
    return spaceNeeds({
      geometry: this.#geometry,
      found,
      isStored: (file) => this.#isStored(file),
      stat: (file) => (this.#isNew ? undefined : this.#folder.statSync(this.#paths[file]!)),
      folder: this.#folder.root,
      target: new ContentFolder(this.options.dir).root,
    })
  }

  /** Something stands where the content goes; also when it cannot be told. */
  #isThere(): boolean {
    const path = this.#paths.find((components) => components.length > 0)
    try {
      return path !== undefined && this.#folder.statSync(path.slice(0, 1)) !== undefined
    } catch {
      return true
    }
  }

  #openStore(): FileStore {
    return new FileStore({
      metainfo: this.options.metainfo,
      geometry: this.#geometry,
      folder: this.#folder,
      pathOf: (file) => this.#paths[file]!,
      selectedFiles: this.#selectedFiles,
      sideFile: ['.shoal', `${this.infoHash}.parts`],
      isGone: () => this.care.isGone(),
    })
  }

  async #found(): Promise<Bitfield> {
    const { role, usesOwnThread = false } = this.options
    const resume = this.#resume()
    const found =
      resume === undefined
        ? await this.#content.check(this.#content.checkable, usesOwnThread)
        : await this.#content.checkSince(resume, usesOwnThread)
    if (role === 'seed' && !this.#abort.signal.aborted) this.#rememberSeed(found)
    return found
  }

  #resume(): Resume | undefined {
    const { files, pieceCount } = this.options.metainfo
    const path = this.#state?.resumePath ?? seedResumePath(this.#folder.root, this.infoHash)
    const resume = takeResume(path, pieceCount, files.length)
    if (resume !== 'corrupt') return resume
    this.#around.emit(this.id, {
      event: 'warning',
      code: 'resume/corrupt',
      message: 'the resume data of this torrent is damaged',
      hint: 'nothing is lost: all files are checked again, which takes a little longer',
    })
    return undefined
  }

  #addTorrent(): void {
    const { metainfo, role, picker, trackers } = this.options
    const defaults = this.#defaults
    this.#around.openStore(this.id, this.#store)
    this.#around.push({
      kind: 'add-torrent',
      torrent: this.id,
      options: {
        ...swarmOptions(metainfo, trackers, defaults),
        role: role === 'seed' ? 'seed-only' : 'download',
        order: picker,
        selectedFiles: this.#selectedFiles,
      },
    })
  }

  /** Of what is not ours: an unfinished download of this torrent left its state in the folder. */
  #warnOfOverwriting(found: Bitfield): void {
    const { metainfo } = this.options
    // The usual case, told apart without a look at every file.
    if (found.count === 0 && this.#folder.statSync(this.#paths[0]!.slice(0, 1)) === undefined) return
    const files = filesOverwritten({
      metainfo,
      geometry: this.#geometry,
      found,
      isSelected: (file) => this.#content.isSelected(file),
      stat: (file) => this.#folder.statSync(this.#paths[file]!),
    })
    if (files.length > 0) this.#around.emit(this.id, overwriteWarning(metainfo, files))
  }

  #join(found: Bitfield): void {
    const { role, peers } = this.options
    this.#takeCare()
    this.#around.push({ kind: 'checked', torrent: this.id, pieces: found.ones() })
    if (role === 'download' && !this.options.ignoresSpace && !this.#abort.signal.aborted)
      this.care.need(this.#spaceNeeds(found))
    this.#around.push({ kind: 'add-peers', torrent: this.id, peers, source: 'manual' })
    const isComplete = this.#around.torrent(this.id)?.isComplete ?? false
    // Everything was there, and has just been checked.
    if (isComplete && role === 'download') {
      this.#putInPlace()
      if (this.options.finalCheck === 'before') this.#emitVerified()
      this.#around.emit(this.id, this.#completeEvent())
      if (this.options.finalCheck === 'after') this.#emitVerified()
    }
    if (isComplete || role === 'seed') this.#around.emit(this.id, { event: 'seeding' })
    if (isComplete) this.#resolve()
  }

  async #complete(): Promise<void> {
    const { finalCheck, ignoresSpace } = this.options
    const { signal } = this.#abort
    const have = this.#around.torrent(this.id)?.core.pieces.have
    // Files are moved to the last one or not at all.
    if (!ignoresSpace && have !== undefined) await this.care.untilRoom(this.#spaceNeeds(have), signal)
    if (signal.aborted) return
    this.#putInPlace()
    if (finalCheck === 'before' && !(await this.#finalCheck())) return
    this.#around.emit(this.id, this.#completeEvent())
    this.#around.emit(this.id, { event: 'seeding' })
    if (finalCheck === 'after' && !(await this.#finalCheck())) return
    this.#resolve()
  }

  #completeEvent(): NodeEvent {
    return { event: 'complete', infoHash: this.infoHash, bytes: this.#bytes, seconds: this.#seconds }
  }

  /**
   * Re-reads everything wanted from disk. What is wrong is fetched again, unless the user
   * asked for the verdict first.
   */
  async #finalCheck(): Promise<boolean> {
    const { finalCheck } = this.options
    const wrong = this.#content.checkable.copy()
    for (const piece of (await this.#content.check()).ones()) wrong.clear(piece)
    if (this.#abort.signal.aborted) return false
    if (wrong.count === 0) {
      this.#emitVerified()
      return true
    }
    const pieces = [...wrong.ones()]
    this.#around.emit(this.id, { event: 'compromised', pieces })
    if (finalCheck === 'before')
      this.#reject(
        new ShoalError(
          'transfer/compromised',
          `${pieces.length} pieces on disk are not what was verified`,
          'check the disk; start again to fetch them anew',
        ),
      )
    this.#around.push({ kind: 'pieces-lost', torrent: this.id, pieces })
    return false
  }

  /** Everything wanted was read from disk just now, and is right. */
  #emitVerified(): void {
    const files = this.options.metainfo.files.filter(
      (file, index) => !file.isPad && this.#content.isSelected(index),
    )
    const pieces = this.#content.checkable.count
    this.#around.emit(this.id, { event: 'verified', pieces, files: files.length })
  }

  #putInPlace(): void {
    this.#store.finish(this.#isNew)
    const { dir, tmpDir, metainfo } = this.options
    if (tmpDir === undefined || this.#folder.root === new ContentFolder(dir).root) return
    const target = new ContentFolder(dir)
    this.#store.close()
    for (const file of metainfo.files.keys()) {
      if (this.#isStored(file)) this.#folder.moveTo(this.#paths[file]!, target)
    }
    this.#folder.close()
    this.#folder = target
    this.#store = this.#openStore()
    this.#around.openStore(this.id, this.#store)
    this.#takeCare()
  }
}

/** What the machine is told of every torrent, however it is added. */
export function swarmOptions(
  metainfo: Metainfo,
  trackers: readonly (readonly string[])[] | undefined,
  defaults: TorrentDefaults,
): TorrentOptions {
  return {
    metainfo,
    role: 'download',
    order: 'rarest',
    trackers: defaults.usesTrackers ? (trackers ?? metainfo.trackers) : [],
    selectedFiles: undefined,
    gatheringPiecesMax: defaults.piecesInFlightMax ?? Number.POSITIVE_INFINITY,
    piecesPerPeerMax: defaults.piecesPerPeerMax ?? Number.POSITIVE_INFINITY,
    connectionsMax: defaults.connectionsMax,
    uploadSlotCount: defaults.uploadSlotCount,
    announceIntervalSeconds: defaults.announceIntervalSeconds,
    announcesRebuilt: defaults.announcesRebuilt,
    exchangesPeers: defaults.exchangesPeers,
  }
}

function selectFiles({ metainfo, select }: TorrentAddOptions): ReadonlySet<number> | undefined {
  if (select === undefined) return undefined
  const selected = new Set<number>()
  for (const [file, entry] of metainfo.files.entries())
    if (!entry.isPad && select(entry.path)) selected.add(file)
  return selected
}

/** The temporary folder is for what begins here; what stands in its place already is continued there. */
function firstFolder({ dir, tmpDir, role, metainfo }: TorrentAddOptions): string {
  if (tmpDir === undefined || role === 'seed') return dir
  return new ContentFolder(dir).statSync([metainfo.name]) === undefined ? tmpDir : dir
}

/** Without the piece hashes of every file nothing that comes in could be checked (BEP 52 `piece layers`). */
function refuseUnverifiable(metainfo: Metainfo): void {
  if (!lacksPieceLayers(metainfo)) return
  throw new ShoalError(
    'transfer/missing-piece-layers',
    'this v2 torrent lacks the hashes of its pieces',
    'get the complete .torrent file from where it was published',
  )
}
