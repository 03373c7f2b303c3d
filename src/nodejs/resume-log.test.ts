import { describe, expect, it } from 'vitest'
import { Prng } from '../base/prng.ts'
import {
  BOOT_BYTES,
  type FileMark,
  MARK,
  marksRecord,
  piecesRecord,
  ResumeState,
  readResumeLog,
  snapshotLog,
} from './resume-log.ts'

const PIECES = 45
const FILES = 9
const BOOT = new Uint8Array(BOOT_BYTES).fill(7)
const OTHER_BOOT = new Uint8Array(BOOT_BYTES).fill(8)
const UNKNOWN_BOOT = new Uint8Array(BOOT_BYTES)

/** A log of some records, and what is true after each of them, by the length of the log then. */
function written(): { log: Buffer; truths: Map<number, ResumeState> } {
  const prng = new Prng(5)
  const state = new ResumeState(PIECES, FILES)
  for (const piece of [0, 7, 8, 44]) state.pieces.set(piece)
  state.mark({ file: 3, state: MARK.synced, print: 0xffff_ffff_ffff_ffffn })
  let log = snapshotLog(state, BOOT)
  const truths = new Map([[log.length, copy(state)]])
  for (let turn = 0; turn < 8; turn++) {
    const pieces = [1 + 2 * turn, 2 + 2 * turn].filter((piece) => state.pieces.set(piece))
    const marks: FileMark[] = [{ file: turn, state: 1 + (turn & 1), print: BigInt(prng.below(1e9)) }]
    for (const mark of marks) state.mark(mark)
    log = Buffer.concat([log, piecesRecord(pieces), marksRecord(marks)])
    truths.set(log.length, copy(state))
  }
  return { log, truths }
}

function copy(state: ResumeState): ResumeState {
  const other = new ResumeState(PIECES, FILES)
  for (const piece of state.pieces.ones()) other.pieces.set(piece)
  for (const mark of state.marks()) other.mark(mark)
  return other
}

const contentOf = (state: ResumeState) => ({ pieces: [...state.pieces.ones()], marks: [...state.marks()] })

/** Everything it says was said at some time. */
function expectSubset(read: ResumeState, truths: Iterable<ResumeState>): void {
  const all = [...truths]
  const last = all.at(-1)!
  for (const piece of read.pieces.ones()) expect(last.pieces.has(piece)).toBe(true)
  for (const mark of read.marks()) expect(all.flatMap((truth) => [...truth.marks()])).toContainEqual(mark)
}

describe('the log of a resume journal', () => {
  it('comes back as it was written', () => {
    const { log, truths } = written()
    for (const [length, truth] of truths) {
      const read = readResumeLog(log.subarray(0, length), PIECES, FILES, BOOT)
      expect(read).not.toBe('corrupt')
      expect(contentOf(read as ResumeState)).toEqual(contentOf(truth))
    }
  })

  it('says no more than what was true, wherever it was cut off', () => {
    const { log, truths } = written()
    const lengths = [...truths.keys()]
    for (let length = 0; length <= log.length; length++) {
      const read = readResumeLog(log.subarray(0, length), PIECES, FILES, BOOT)
      // Without its first record it says nothing; a torn record does not count, and those before it do.
      expect(read === 'corrupt').toBe(length < lengths[0]!)
      if (read === 'corrupt') continue
      const whole = lengths.findLast((end) => end <= length)!
      expectSubset(read, truths.values())
      for (const piece of truths.get(whole)!.pieces.ones()) expect(read.pieces.has(piece)).toBe(true)
    }
  })

  it('says no more than what was true, whichever byte of it changed', () => {
    const { log, truths } = written()
    for (let at = 0; at < log.length; at++) {
      for (const change of [0x01, 0x80, 0xff]) {
        const damaged = Buffer.from(log)
        damaged[at]! ^= change
        const read = readResumeLog(damaged, PIECES, FILES, BOOT)
        if (read !== 'corrupt') expectSubset(read, truths.values())
      }
    }
  })

  it('may end in zeros, or in nonsense', () => {
    const { log, truths } = written()
    const prng = new Prng(9)
    for (let length = 1; length < 200; length++) {
      for (const tail of [Buffer.alloc(length), prng.bytes(length)]) {
        const read = readResumeLog(Buffer.concat([log, tail]), PIECES, FILES, BOOT)
        if (read !== 'corrupt') expectSubset(read, truths.values())
      }
    }
  })

  it('is of one torrent', () => {
    const { log } = written()
    expect(readResumeLog(log, PIECES + 1, FILES, BOOT)).toBe('corrupt')
    expect(readResumeLog(log, PIECES, FILES + 1, BOOT)).toBe('corrupt')
    const far = Buffer.concat([snapshotLog(new ResumeState(PIECES, FILES), BOOT), piecesRecord([PIECES])])
    expect(readResumeLog(far, PIECES, FILES, BOOT)).toBe('corrupt')
  })

  it.each([
    ['another start of the machine', OTHER_BOOT],
    ['a machine that does not tell', UNKNOWN_BOOT],
  ])('vouches after %s only for what is on the disk', (_, boot) => {
    const { log, truths } = written()
    const read = readResumeLog(log, PIECES, FILES, boot) as ResumeState
    const truth = [...truths.values()].at(-1)!
    expect([...read.marks()]).toEqual([...truth.marks()].filter(({ state }) => state === MARK.synced))
    expect([...read.marks()].length).toBeGreaterThan(1)
    expect(read.pieces.count).toBe(truth.pieces.count)
  })

  it('of a machine that does not tell its starts is never of this one', () => {
    const state = new ResumeState(PIECES, FILES)
    state.mark({ file: 1, state: MARK.settled, print: 1n })
    const read = readResumeLog(snapshotLog(state, UNKNOWN_BOOT), PIECES, FILES, UNKNOWN_BOOT) as ResumeState
    expect([...read.marks()]).toEqual([])
  })
})
