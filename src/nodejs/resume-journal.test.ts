/**
 * Lives and deaths of a journal on a played disk, killed at any moment and continued from what is left. The
 * disk is as bad as one may be: files are dated in whole 2 s, writes tear, and a power cut takes what was not
 * brought to the disk, with or without its date.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FLUSH_MS, type JournalDisk, ResumeJournal, SETTLE_MS, SYNC_MS } from './resume-journal.ts'
import { BOOT_BYTES, MARK, ResumeState, readResumeLog } from './resume-log.ts'

const PIECES = 8
const FILES = 5
/** Neighbours share files, and each file is of several pieces. */
const filesOf = (piece: number): number[] => [...new Set([piece >> 1, (piece + 1) >> 1])]
const DATE_MS = 2000

type Op =
  /** The disk answers at once, or not before it is asked again. */
  | { readonly op: 'wait'; readonly ms: number; readonly isSlow: boolean }
  | { readonly op: 'write' | 'begin' | 'land' | 'done' | 'fail' | 'rot'; readonly piece: number }
  | { readonly op: 'kill' | 'power cut'; readonly part: number; readonly seed: number }

/** Content, dates and the log, as they outlive a process. */
class PlayedDisk implements JournalDisk {
  now = 10_000
  log: Buffer = Buffer.alloc(0)
  readonly right = new Set<number>()
  readonly dates = new Map<number, number>()
  /** Changed since the file was last brought to the disk, and the date the disk has. */
  readonly unsynced = new Map<number, { readonly date: number | undefined; readonly pieces: Set<number> }>()
  pendingLog: { bytes: Buffer; isReplace: boolean; done: (isDone: boolean) => void } | undefined
  pendingSync: { file: number; done: (isDone: boolean) => void; changes: number } | undefined
  readonly changes = new Map<number, number>()
  /**
   * Found wrong, and not written down yet: an old log may still vouch for them, also when they were written
   * anew and a power cut took that.
   */
  readonly rotten = new Set<number>()

  replace(log: Uint8Array, done: (isDone: boolean) => void): void {
    expect(this.pendingLog).toBeUndefined()
    this.pendingLog = { bytes: Buffer.from(log), isReplace: true, done }
  }

  append(records: Uint8Array, done: (isDone: boolean) => void): void {
    expect(this.pendingLog).toBeUndefined()
    this.pendingLog = { bytes: Buffer.from(records), isReplace: false, done }
  }

  print(file: number): bigint | undefined {
    const date = this.dates.get(file)
    return date === undefined ? undefined : BigInt(Math.floor(date / DATE_MS))
  }

  sync(file: number, done: (isDone: boolean) => void): void {
    this.pendingSync = { file, done, changes: this.changes.get(file) ?? 0 }
  }

  change(piece: number): void {
    for (const file of filesOf(piece)) {
      const unsynced = this.unsynced.get(file) ?? { date: this.dates.get(file), pieces: new Set() }
      unsynced.pieces.add(piece)
      this.unsynced.set(file, unsynced)
      this.dates.set(file, this.now)
      this.changes.set(file, (this.changes.get(file) ?? 0) + 1)
    }
  }

  settle(): void {
    this.settleLog()
    this.settleSync()
  }

  settleLog(): void {
    const pending = this.pendingLog
    if (pending === undefined) return
    this.pendingLog = undefined
    this.log = pending.isReplace ? pending.bytes : Buffer.concat([this.log, pending.bytes])
    const said = readResumeLog(this.log, PIECES, FILES, new Uint8Array(BOOT_BYTES))
    for (const piece of this.rotten)
      if (said !== 'corrupt' && !said.pieces.has(piece)) this.rotten.delete(piece)
    pending.done(true)
  }

  settleSync(): void {
    const pending = this.pendingSync
    if (pending === undefined) return
    this.pendingSync = undefined
    if (pending.changes === (this.changes.get(pending.file) ?? 0)) this.unsynced.delete(pending.file)
    pending.done(true)
  }

  /** @param part which share of what is under way gets there, in percent */
  die(part: number): void {
    if (this.pendingLog?.isReplace === false) {
      const { bytes } = this.pendingLog
      this.log = Buffer.concat([this.log, bytes.subarray(0, Math.floor((bytes.length * part) / 100))])
    } else if (this.pendingLog !== undefined && part > 50) this.log = this.pendingLog.bytes
    this.pendingLog = this.pendingSync = undefined
  }

  losePower(part: number, seed: number): void {
    if (seed % 3 === 0) this.log = this.log.subarray(0, Math.floor((this.log.length * part) / 100))
    for (const [file, { date, pieces }] of this.unsynced) {
      for (const piece of pieces) this.right.delete(piece)
      if ((seed >> file) % 2 === 0) continue
      if (date === undefined) this.dates.delete(file)
      else this.dates.set(file, date)
    }
    this.unsynced.clear()
  }
}

class Life {
  readonly #disk: PlayedDisk
  readonly #journal: ResumeJournal
  readonly #writing = new Map<number, 'begun' | 'landed'>()
  /** What the world was told of. */
  readonly told: Set<number>
  #flushedAt: number

  constructor(disk: PlayedDisk, bootCount: number, told: Set<number>, state: ResumeState, changed: number[]) {
    this.#disk = disk
    this.told = told
    this.#flushedAt = disk.now
    const boot = bootOf(bootCount)
    this.#journal = new ResumeJournal({ state, boot, disk, filesOf, isKept: () => true }, disk.now, changed)
    this.#journal.flush(disk.now)
  }

  run(op: Op): void {
    const disk = this.#disk
    if (op.op === 'wait') {
      if (!op.isSlow) disk.settle()
      disk.now += op.ms
      if (disk.now - this.#flushedAt < FLUSH_MS) return
      this.#flushedAt = disk.now
      if (this.#journal.isDue) this.#journal.flush(disk.now)
      if (!op.isSlow) disk.settle()
    } else if (op.op === 'write')
      for (const step of ['begin', 'land', 'done'] as const) this.#write(step, op.piece)
    else if ('piece' in op) this.#write(op.op, op.piece)
  }

  #write(op: 'begin' | 'land' | 'done' | 'fail' | 'rot', piece: number): void {
    const state = this.#writing.get(piece)
    const disk = this.#disk
    if (op === 'begin' && state === undefined && !this.told.has(piece)) {
      this.#writing.set(piece, 'begun')
      this.#journal.writing(piece, disk.now)
      // Some of its bytes are there at once.
      disk.right.delete(piece)
      disk.change(piece)
    } else if (op === 'land' && state === 'begun') {
      this.#writing.set(piece, 'landed')
      disk.right.add(piece)
      disk.change(piece)
    } else if ((op === 'done' && state === 'landed') || (op === 'fail' && state === 'begun')) {
      this.#writing.delete(piece)
      this.#journal.written(piece, op === 'done', disk.now)
      if (op === 'done') this.told.add(piece)
    } else if (op === 'rot' && state === undefined && this.told.has(piece)) {
      // Without a trace in its date; found out by reading it.
      disk.right.delete(piece)
      this.told.delete(piece)
      disk.rotten.add(piece)
      this.#journal.lost(piece, disk.now)
      this.#journal.flush(disk.now)
    }
  }
}

const bootOf = (count: number): Uint8Array => new Uint8Array(BOOT_BYTES).fill(1 + (count % 200))

/** What the next start does, and what must be true then. */
function rise(disk: PlayedDisk, told: Set<number>, bootCount: number, isPowerCut: boolean): Life {
  const read = disk.log.length === 0 ? undefined : readResumeLog(disk.log, PIECES, FILES, bootOf(bootCount))
  // A process that was killed leaves a log that can be read to its end.
  if (!isPowerCut) expect(read).not.toBe('corrupt')
  const state = read === undefined || read === 'corrupt' ? new ResumeState(PIECES, FILES) : read
  const changed = Array.from({ length: FILES }, (_, file) => file).filter(
    (file) => state.markStates[file] === MARK.none || disk.print(file) !== state.prints[file],
  )
  const next = new ResumeState(PIECES, FILES)
  for (let piece = 0; piece < PIECES; piece++) {
    const isDoubtful = filesOf(piece).some((file) => changed.includes(file))
    const isBelieved = state.pieces.has(piece) && !isDoubtful
    if (isBelieved && !disk.rotten.has(piece)) expect(disk.right.has(piece), `${piece} is right`).toBe(true)
    if (told.has(piece) && !disk.rotten.has(piece) && !isPowerCut)
      expect(isBelieved || (isDoubtful && disk.right.has(piece)), `${piece} is found again`).toBe(true)
    if (isDoubtful ? disk.right.has(piece) : isBelieved) next.pieces.set(piece)
  }
  for (const mark of state.marks()) if (!changed.includes(mark.file)) next.mark(mark)
  const known = new Set([...next.pieces.ones()].filter((piece) => !disk.rotten.has(piece)))
  // Until there is another one it would be found damaged again.
  if (next.pieces.count === 0 || read === 'corrupt') disk.log = Buffer.alloc(0)
  return new Life(disk, bootCount, known, next, changed)
}

function play(ops: readonly Op[]): { believed: number } {
  const disk = new PlayedDisk()
  let bootCount = 0
  let life = new Life(disk, 0, new Set(), new ResumeState(PIECES, FILES), [])
  for (const op of [...ops, { op: 'kill', part: 30, seed: 0 } as const]) {
    if (op.op !== 'kill' && op.op !== 'power cut') {
      life.run(op)
      continue
    }
    disk.die(op.part)
    if (op.op === 'power cut') {
      disk.losePower(op.part, op.seed)
      bootCount++
    }
    life = rise(disk, life.told, bootCount, op.op === 'power cut')
  }
  return { believed: life.told.size }
}

const piece = fc.nat(PIECES - 1)
const death = { part: fc.nat(100), seed: fc.nat(10_000) }
const wait = fc.record({
  op: fc.constant('wait' as const),
  ms: fc.constantFrom(10, 300, 1000, 1000, 1500, 2600, 61_000),
  isSlow: fc.nat(3).map((n) => n === 0),
})
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 8, arbitrary: wait },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('write' as const), piece }) },
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constantFrom('begin' as const, 'land' as const, 'done' as const), piece }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('fail' as const, 'rot' as const), piece }) },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constantFrom('kill' as const, 'power cut' as const), ...death }),
  },
)

describe('a resume journal', () => {
  it('vouches for no wrong byte and forgets no piece, whenever it dies', () => {
    fc.assert(
      fc.property(fc.array(op, { minLength: 10, maxLength: 60, size: 'max' }), (ops) => {
        play(ops)
      }),
      { numRuns: 5000 },
    )
  })
})

/** One piece after the other is written; the log is written as soon as it wants. */
class QuietLife {
  readonly disk = new PlayedDisk()
  readonly journal: ResumeJournal
  constructor(boot: Uint8Array) {
    const state = new ResumeState(PIECES, FILES)
    this.journal = new ResumeJournal(
      { state, boot, disk: this.disk, filesOf, isKept: (piece) => piece !== 7 },
      this.disk.now,
      [],
    )
  }

  write(piece: number): void {
    this.journal.writing(piece, this.disk.now)
    this.disk.right.add(piece)
    this.disk.change(piece)
    this.journal.written(piece, true, this.disk.now)
  }

  wait(ms: number): void {
    for (const end = this.disk.now + ms; this.disk.now < end; ) {
      this.disk.now += FLUSH_MS
      this.journal.flush(this.disk.now)
      this.disk.settle()
    }
  }

  read(boot: Uint8Array): ResumeState {
    return readResumeLog(this.disk.log, PIECES, FILES, boot) as ResumeState
  }
}

const files = (state: ResumeState, kind: number) =>
  [...state.marks()].filter((mark) => mark.state === kind).map(({ file }) => file)

describe('what a journal writes', () => {
  const boot = bootOf(1)

  it('is a piece within a second, and its files when they are left alone', () => {
    const life = new QuietLife(boot)
    life.write(1)
    life.wait(FLUSH_MS)
    expect([...life.read(boot).pieces.ones()]).toEqual([1])
    expect(files(life.read(boot), MARK.settled)).toEqual([])
    life.wait(SETTLE_MS)
    expect(files(life.read(boot), MARK.settled)).toEqual([0, 1])
    life.write(2)
    life.wait(FLUSH_MS)
    // The log still has a mark of the file that was written to, and the file looks different.
    expect([0, 1].map((file) => life.disk.print(file) === life.read(boot).prints[file])).toEqual([
      true,
      false,
    ])
  })

  it('is nothing at all before there is a piece, and never one that cannot be found again', () => {
    const life = new QuietLife(boot)
    life.wait(10 * FLUSH_MS)
    expect(life.disk.log.length).toBe(0)
    expect(life.journal.isDue).toBe(false)
    life.write(7)
    life.wait(10 * FLUSH_MS)
    expect(life.disk.log.length).toBe(0)
  })

  it('outlives the machine once files are on the disk, and then rests', () => {
    const life = new QuietLife(boot)
    life.write(0)
    life.wait(SETTLE_MS + 2 * FLUSH_MS)
    expect(files(life.read(bootOf(2)), MARK.synced)).toEqual([])
    life.wait(SYNC_MS + 2 * FLUSH_MS)
    expect(files(life.read(bootOf(2)), MARK.synced)).toEqual([0])
    expect(life.journal.isDue).toBe(false)
  })

  it('stays small, however often files change', () => {
    const life = new QuietLife(boot)
    let longest = 0
    for (let turn = 0; turn < 3000; turn++) {
      life.journal.lost(turn % 7, life.disk.now)
      life.write(turn % 7)
      if (turn % 2 === 0) life.wait(SETTLE_MS + FLUSH_MS)
      longest = Math.max(longest, life.disk.log.length)
    }
    expect(longest).toBeLessThan(70_000)
    expect(life.read(boot).pieces.count).toBe(7)
  })

  it('takes back a piece that was found wrong', () => {
    const life = new QuietLife(boot)
    life.write(0)
    life.write(4)
    life.wait(SETTLE_MS + FLUSH_MS)
    life.journal.lost(4, life.disk.now)
    life.wait(FLUSH_MS)
    expect([...life.read(boot).pieces.ones()]).toEqual([0])
    expect(files(life.read(boot), MARK.settled)).toEqual([0])
  })

  it('is written whole after a time that failed', () => {
    const life = new QuietLife(boot)
    life.write(0)
    life.wait(FLUSH_MS)
    life.write(3)
    life.disk.now += FLUSH_MS
    life.journal.flush(life.disk.now)
    const { done } = life.disk.pendingLog!
    life.disk.pendingLog = undefined
    done(false)
    life.wait(FLUSH_MS)
    expect([...life.read(boot).pieces.ones()]).toEqual([0])
    life.wait(10 * FLUSH_MS)
    expect([...life.read(boot).pieces.ones()]).toEqual([0, 3])
  })
})
