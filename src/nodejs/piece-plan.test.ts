import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ContentEntry, JOB_BYTES_MIN, planJobs } from './piece-plan.ts'
import { SLICE, SLICE_NUMBERS, type Slices } from './slices.ts'

const lengths = fc.array(fc.integer({ min: 1, max: 9_000_000 }), { minLength: 1, maxLength: 30 })
const pieceLength = fc.constantFrom(16_384, 256_000, 1_048_576)

function place(lengths: readonly number[], pieceLength: number, isAligned: boolean): ContentEntry[] {
  let offset = 0
  return lengths.map((length, i) => {
    const entry = { folder: 0, path: [`${i}`], length, offset }
    offset = isAligned ? Math.ceil((offset + length) / pieceLength) * pieceLength : offset + length
    return entry
  })
}

function pieceCountOf(entries: readonly ContentEntry[], pieceLength: number): number {
  const last = entries.at(-1)!
  return Math.ceil((last.offset + last.length) / pieceLength)
}

function rows({ names, numbers }: Slices) {
  return names.map((name, i) => {
    const at = (number: number) => numbers[SLICE_NUMBERS * i + number]!
    return {
      name: String(name),
      offset: at(SLICE.offset),
      length: at(SLICE.length),
      fileLength: at(SLICE.fileLength),
    }
  })
}

test('jobs hold every byte once, in order, cut at pieces', () => {
  fc.assert(
    fc.property(lengths, pieceLength, fc.boolean(), (lengths, pieceLength, isAligned) => {
      const entries = place(lengths, pieceLength, isAligned)
      const count = pieceCountOf(entries, pieceLength)
      let next = 0
      const read = new Map<string, number>()
      for (const job of planJobs(entries, pieceLength, [{ start: 0, end: count }])) {
        expect(job.firstPiece).toBe(next)
        next += job.pieceCount
        for (const slice of rows(job.slices)) {
          const key = slice.name
          expect(slice.offset).toBe(read.get(key) ?? 0)
          read.set(key, slice.offset + slice.length)
          const entry = entries[Number(key)]!
          expect(slice.fileLength).toBe(entry.length)
          expect(Math.floor((entry.offset + slice.offset) / pieceLength)).toBeGreaterThanOrEqual(
            job.firstPiece,
          )
          expect(Math.floor((entry.offset + slice.offset + slice.length - 1) / pieceLength)).toBeLessThan(
            next,
          )
        }
        expect(job.contentBytes).toBe(rows(job.slices).reduce((sum, slice) => sum + slice.length, 0))
      }
      expect(next).toBe(count)
      expect([...read.values()]).toEqual(lengths)
    }),
  )
})

test('only the pieces of the ranges are planned', () => {
  fc.assert(
    fc.property(lengths, fc.array(fc.nat(200), { minLength: 2, maxLength: 8 }), (lengths, cuts) => {
      const entries = place(lengths, 65_536, false)
      const count = pieceCountOf(entries, 65_536)
      const bounds = [...new Set(cuts)].map((cut) => Math.min(cut, count)).sort((a, b) => a - b)
      const ranges = Array.from({ length: Math.floor(bounds.length / 2) }, (_, i) => ({
        start: bounds[2 * i]!,
        end: bounds[2 * i + 1]!,
      }))
      const planned = [...planJobs(entries, 65_536, ranges)].flatMap((job) =>
        Array.from({ length: job.pieceCount }, (_, i) => job.firstPiece + i),
      )
      expect(planned).toEqual(
        ranges.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i)),
      )
    }),
  )
})

test('a job is as long as was asked for, the first one short', () => {
  const entries = place([100 * JOB_BYTES_MIN], 1_048_576, false)
  const jobs = planJobs(entries, 1_048_576, [{ start: 0, end: 400 }])
  const lengths = [9, 16, 3, undefined, 5].map((pieces) => {
    const job = jobs.next(pieces && pieces * 1_048_576)
    return job.done ? undefined : job.value.pieceCount
  })
  expect(lengths).toEqual([4, 16, 3, 4, 5])
})
