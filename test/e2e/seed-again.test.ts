/**
 * A folder that was seeded before is seeded again without reading it, unless something in it
 * changed. Nothing is left in it.
 */
import { chmodSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { stage, startSeed } from '../kit/stage.ts'

const PIECE = 16_384
const FILES = { 'a.bin': 3 * PIECE, 'b.bin': 2 * PIECE }

function spoil(path: string): void {
  const bytes = readFileSync(path)
  bytes[100]! ^= 0xff
  writeFileSync(path, bytes)
}

/** @param notes where programs of the user keep what they remember */
async function piecesFound(file: string, dir: string, notes: string): Promise<unknown> {
  const seed = startSeed(file, dir, { env: { XDG_STATE_HOME: notes } })
  const { pieces } = await seed.event('checked')
  await seed.event('seeding')
  expect((await seed.end()).code).toBe(0)
  return pieces
}

test('only what changed is read again', async () => {
  const notes = temporaryFolder()
  const { file, source, torrent } = stage({ files: FILES, pieceLength: PIECE })
  const a = join(source, torrent.name, 'a.bin')
  const b = join(source, torrent.name, 'b.bin')
  const whole = new Date(1_700_000_000_000)
  utimesSync(a, whole, whole)
  expect(await piecesFound(file, source, notes)).toBe(5)
  // Changed behind the back of everybody who looks at times: it was not read.
  spoil(a)
  utimesSync(a, whole, whole)
  expect(await piecesFound(file, source, notes)).toBe(5)
  // Changed as programs change files: read, and found wrong.
  spoil(b)
  expect(await piecesFound(file, source, notes)).toBe(4)
  spoil(b)
  expect(await piecesFound(file, source, notes)).toBe(5)
  // Without the record everything is read.
  rmSync(notes, { recursive: true })
  expect(await piecesFound(file, source, notes)).toBe(4)
})

test('nothing is left in the folder, and where no notes can be kept it is seeded all the same', async () => {
  const { file, source, torrent } = stage({ files: FILES, pieceLength: PIECE })
  const notes = join(temporaryFolder(), 'file')
  writeFileSync(notes, 'in the way')
  chmodSync(source, 0o555)
  expect(await piecesFound(file, source, notes)).toBe(5)
  expect(await piecesFound(file, source, temporaryFolder())).toBe(5)
  expect(readdirSync(source)).toEqual([torrent.name])
})

test('a clock that was set back, or forward, makes it read again and believe nothing', async () => {
  const notes = temporaryFolder()
  const { file, source, torrent } = stage({ files: FILES, pieceLength: PIECE })
  const [a, b] = ['a.bin', 'b.bin'].map((name) => join(source, torrent.name, name)) as [string, string]
  expect(await piecesFound(file, source, notes)).toBe(5)
  for (const year of [1971, 2100]) {
    const then = new Date(Date.UTC(year, 1, 1))
    // Written while the clock said so: older than the record, or newer than today.
    spoil(b)
    utimesSync(b, then, then)
    expect(await piecesFound(file, source, notes), `${year}, spoiled`).toBeLessThan(5)
    spoil(b)
    utimesSync(b, then, then)
    utimesSync(a, then, then)
    // Equal length and time are believed, as above; so the record has to go.
    rmSync(notes, { recursive: true })
    expect(await piecesFound(file, source, notes), `${year}, whole`).toBe(5)
  }
})
