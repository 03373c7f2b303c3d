/**
 * One torrent of a peer node from `add` to `stop`: what is there is checked, the swarm machine gets it, and
 * when the download is complete the content is put in its place and read once more.
 * Invariants: `complete` comes once everything wanted is verified, written and in its place; with final check
 * `before` it comes only after a full re-read; a piece found wrong later is fetched again.
 */
import type { Bitfield } from '../base/bitfield.ts'
import { toHex } from '../base/bytes.ts'
import type { ContentStore } from '../ports/content-store.ts'
import type { SwarmInput } from '../swarm/effects.ts'
import type { SwarmEvent } from '../swarm/events.ts'
import { Geometry } from '../swarm/geometry.ts'
import type { Torrent } from '../swarm/torrent.ts'
import { MERKLE_BLOCK_LENGTH } from '../wire/merkle.ts'
import { ContentCare } from './content-care.ts'
import { ContentCheck } from './content-check.ts'
import { ContentFolder, type ContentStat } from './content-folder.ts'
import { type ContentPaths, locateFiles } from './content-location.ts'
import { beginsIn, copyContent, endMove, moveContent } from './content-move.ts'
import { FileLooks } from './file-looks.ts'
import { FileStore } from './file-store.ts'
import { expectOnHeap } from './heap-growth.ts'
import type { NodeEvent } from './node-events.ts'
import { filesOverwritten, overwriteWarning } from './overwrite-warning.ts'
import { placeNotePath } from './place-notes.ts'
import { type Resume, takeResume } from './resume-file.ts'
import { type KeptResume, ResumeKeeper, readResume } from './resume-keeper.ts'
import { ShoalError } from './shoal-error.ts'
import { checkSidePieces } from './side-check.ts'
import { type SpaceNeed, spaceNeeds } from './space-check.ts'
import { refuseUnverifiable, selectFiles } from './torrent-selection.ts'
import { swarmOptions, type TorrentAddOptions, type TorrentDefaults } from './torrent-settings.ts'
import { sideFileOf, TransferState } from './transfer-state.ts'

export interface TaskSurroundings {
  push(input: SwarmInput): void
  openStore(torrent: number, store: ContentStore): void
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
  readonly #paths: ContentPaths
  readonly #defaults: TorrentDefaults
  #resolve!: () => void
  #reject!: (error: ShoalError) => void
  /** Nothing stood in its place when it began. */
  #isNew = false
  #hasAnnounced = false
  readonly #content: ContentCheck
  /** Of the files, when all were looked at just now. */
  #stats: (ContentStat | undefined)[] | undefined
  /** Notes what a seed has; after it was told, for with 20,000 files this takes a while. */
  #noteCheck: (() => void) | undefined
  /** What goes on with it on disk, while it is in the swarm. */
  readonly care: ContentCare
  #folder: ContentFolder
  #store: FileStore
  #state: TransferState | undefined
  #keeper: ResumeKeeper | undefined
  #seconds = 0
  #bytes = 0
  /** What follows the last piece, one time after the other. Never rejects. */
  #completing: Promise<void> = Promise.resolve()
  /** How often pieces turned out to be wrong on disk. */
  #lossCount = 0

  constructor(id: number, options: TorrentAddOptions, defaults: TorrentDefaults, around: TaskSurroundings) {
    this.id = id
    this.options = options
    expectOnHeap({ files: options.metainfo.files.length })
    this.infoHash = toHex(options.metainfo.infoHashV1 ?? options.metainfo.infoHashV2!)
    this.#defaults = defaults
    this.#hasAnnounced = options.magnet?.hasAnnounced ?? false
    this.#around = around
    this.#geometry = new Geometry(options.metainfo, MERKLE_BLOCK_LENGTH)
    this.#selectedFiles = selectFiles(options.metainfo, options.select)
    this.#folder = new ContentFolder(options.role === 'seed' ? options.dir : beginsIn(options))
    this.#paths = options.early?.paths ?? locateFiles(options.metainfo, this.#folder)
    this.#content = new ContentCheck({
      metainfo: options.metainfo,
      geometry: this.#geometry,
      folder: () => this.#folder,
      paths: this.#paths,
      selectedFiles: this.#selectedFiles,
      signal: this.#abort.signal,
    })
    this.care = new ContentCare(id, this.#content, this.#geometry, {
      push: (input) => {
        if (input.kind === 'pieces-lost') this.#lost(input.pieces)
        around.push(input)
      },
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
      if (this.options.tmpDir !== undefined && this.#isInPlace())
        endMove(this.options.tmpDir, this.infoHash, { ...this.#movable, to: this.#folder })
      this.#state = TransferState.open(this.#folder.root, this.infoHash)
      if (this.options.tmpDir !== undefined) new ContentFolder(this.options.dir).mkdirsSync([])
      this.#keeper = this.#openKeeper(this.#state)
    }
    this.#isNew = !this.#isThere()
    this.#addTorrent()
    const isContinued = this.#state?.isContinued ?? false
    const found = await (role === 'download' ? this.#found() : this.#foundBySeed())
    if (this.#abort.signal.aborted) return
    if (role === 'download' && !isContinued && !this.options.isRepair) this.#warnOfOverwriting(found)
    this.#around.emit(this.id, { event: 'checked', pieces: found.count, total: metainfo.pieceCount })
    this.#noteCheck?.()
    this.#noteCheck = undefined
    await this.#join(found)
  }

  swarmEvent(event: SwarmEvent): void {
    if (event.event === 'downloaded') {
      this.#bytes = event.bytes
      this.#seconds = event.seconds
      this.#completing = this.#completing
        .then(() => this.#complete())
        .catch((error: unknown) => {
          if (!this.#abort.signal.aborted) this.#reject(error as ShoalError)
        })
      return
    }
    this.#around.emit(this.id, event)
    if (event.event === 'announced') this.#hasAnnounced = true
    if (event.event === 'piece-unreadable') this.#lost([event.piece])
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
  async stop(): Promise<void> {
    this.abort()
    await this.#completing
    await this.#keeper?.close()
    const isComplete = this.#around.torrent(this.id)?.isComplete === true && this.#isInPlace()
    if (!isComplete) this.#remember()
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

  #lost(pieces: readonly number[]): void {
    this.#lossCount++
    this.#keeper?.lost(pieces)
  }

  #remember(): void {
    // Where the content has gone there is no place to write to, and nothing to vouch for.
    if (this.care.isGone()) return
    try {
      this.#keeper?.save()
    } catch (cause) {
      this.#around.emit(this.id, {
        event: 'warning',
        code: 'resume/not-saved',
        message: `the resume data could not be saved: ${(cause as Error).message}`,
        hint: 'nothing is lost: all files are checked at the next start',
      })
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
      stat: (file) => (this.#isNew ? undefined : this.#folder.statSync(this.#paths.at(file)!)),
      folder: this.#folder.root,
      target: new ContentFolder(this.options.dir).root,
    })
  }

  /** Something stands where the content goes; also when it cannot be told. */
  #isThere(): boolean {
    const path = this.#paths.at(0)
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
      pathOf: (file) => this.#paths.at(file)!,
      selectedFiles: this.#selectedFiles,
      sideFile: sideFileOf(this.infoHash),
      isGone: () => this.care.isGone(),
    })
  }

  #openKeeper(state: TransferState): ResumeKeeper {
    return new ResumeKeeper(state.resumePath, {
      metainfo: this.options.metainfo,
      geometry: this.#geometry,
      content: this.#content,
      folder: this.#folder,
      paths: this.#paths,
    })
  }

  /** Where the machine's bytes go now. */
  #connectStore(): void {
    this.#around.openStore(this.id, this.#keeper?.watch(this.#store) ?? this.#store)
  }

  /** With the check at the end left out, what an earlier run vouches for is enough. */
  async #found(): Promise<Bitfield> {
    const { metainfo, usesOwnThread = false, finalCheck } = this.options
    const resume = this.#told(readResume(this.#state!.resumePath, metainfo.pieceCount, metainfo.files.length))
    const findings = await this.#content.find(resume, usesOwnThread, finalCheck !== 'off')
    const found = findings.found.copy()
    for (const piece of await this.#sidePieces()) found.set(piece)
    if (!this.#abort.signal.aborted) this.#keeper!.begin(findings, resume)
    return found
  }

  async #foundBySeed(): Promise<Bitfield> {
    const { metainfo, usesOwnThread = false, early } = this.options
    const { seedNotesFolder: notes } = this.#defaults
    const note = notes && placeNotePath(notes, this.infoHash, this.#folder.root, 'seed')
    const resume = this.#told(
      note === undefined ? undefined : takeResume(note, metainfo.pieceCount, metainfo.files.length),
    )
    const known = resume === undefined ? early : undefined
    const looks = known?.looks ?? new FileLooks(metainfo.files.length)
    const found =
      (await known?.found) ?? (await this.#content.find(resume, usesOwnThread, false, looks)).found
    if (known?.isStopped) this.abort()
    if (this.#abort.signal.aborted) return found
    await this.#content.readChanged(found, looks)
    this.#noteCheck = () => {
      this.#stats = this.#content.stats(looks)
      if (note !== undefined) this.#content.rememberSeed(note, found, this.#stats)
    }
    return found
  }

  /** What is there of pieces that lie partly in files not selected. */
  async #sidePieces(): Promise<number[]> {
    if (this.#folder.statSync(sideFileOf(this.infoHash)) === undefined) return []
    const { metainfo } = this.options
    const isSelected = (file: number) => this.#content.isSelected(file)
    const options = { metainfo, geometry: this.#geometry, store: this.#store, isSelected }
    return checkSidePieces({ ...options, signal: this.#abort.signal }, this.#content.checkable.zeros())
  }

  #told<T extends Resume | KeptResume>(resume: T | 'corrupt' | undefined): T | undefined {
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
    this.#connectStore()
    this.#around.push({
      kind: 'add-torrent',
      torrent: this.id,
      options: {
        ...swarmOptions(metainfo, trackers, defaults),
        role: role === 'seed' ? 'seed-only' : 'download',
        order: picker,
        selectedFiles: this.#selectedFiles,
        ...(defaults.usesWebSeeds && {
          webSeeds: { urls: metainfo.webSeeds, scopeMin: this.options.webSeedScopeMin ?? 'machine' },
        }),
      },
    })
  }

  /** Of what is not ours: an unfinished download of this torrent left its state in the folder. */
  #warnOfOverwriting(found: Bitfield): void {
    const { metainfo } = this.options
    // The usual case, told apart without a look at every file.
    if (found.count === 0 && this.#folder.statSync(this.#paths.at(0)!.slice(0, 1)) === undefined) return
    const files = filesOverwritten({
      metainfo,
      geometry: this.#geometry,
      found,
      isSelected: (file) => this.#content.isSelected(file),
      stat: (file) => this.#folder.statSync(this.#paths.at(file)!),
    })
    if (files.length > 0) this.#around.emit(this.id, overwriteWarning(metainfo, files))
  }

  async #join(found: Bitfield): Promise<void> {
    const { role, peers } = this.options
    this.#takeCare()
    this.#around.push({ kind: 'checked', torrent: this.id, pieces: found.ones() })
    if (role === 'download' && !this.options.ignoresSpace && !this.#abort.signal.aborted)
      this.care.need(this.#spaceNeeds(found))
    this.#around.push({ kind: 'add-peers', torrent: this.id, peers, source: 'manual' })
    const isComplete = this.#around.torrent(this.id)?.isComplete ?? false
    // Everything was there, and has just been checked.
    if (isComplete && role === 'download') {
      const placing = this.#completing.then(() => this.#putInPlace())
      this.#completing = placing.then(
        () => {},
        () => {},
      )
      if (!(await placing)) return
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
    if (!(await this.#putInPlace())) return
    if (signal.aborted) return
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
    this.#keeper?.lost(pieces)
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

  /** False when it was stopped, or something turned out to be missing: then it comes again. */
  async #putInPlace(): Promise<boolean> {
    this.#store.finish(this.#isNew)
    if (this.#isInPlace()) return true
    const target = new ContentFolder(this.options.dir)
    const state = TransferState.open(target.root, this.infoHash)
    const before = this.#lossCount
    try {
      this.#state?.beginMove()
      const move = { ...this.#movable, from: this.#folder, to: target }
      const copied = await copyContent(move, this.#abort.signal)
      const isOff = () => this.#abort.signal.aborted || this.#lossCount > before
      if (!isOff()) await this.#keeper?.close()
      if (isOff()) {
        state.close(false)
        return false
      }
      this.#store.close()
      moveContent(move, copied)
    } catch (error) {
      state.close(false)
      throw error
    }
    this.#folder.close()
    this.#folder = target
    this.#store = this.#openStore()
    this.#state?.close(true)
    this.#state = state
    this.#keeper = this.#openKeeper(state)
    this.#connectStore()
    this.#takeCare()
    this.#keeper.beginMoved(this.#around.torrent(this.id)!.core.pieces.have)
    return true
  }

  /** Not in the temporary folder. */
  #isInPlace(): boolean {
    return this.options.tmpDir === undefined || this.#folder.root === new ContentFolder(this.options.dir).root
  }

  get #movable() {
    return {
      metainfo: this.options.metainfo,
      paths: this.#paths,
      isSelected: (file: number) => this.#content.isSelected(file),
      sideFile: sideFileOf(this.infoHash),
    }
  }
}
