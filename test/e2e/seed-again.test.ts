/** A folder that was seeded before is seeded again without reading it, unless something in it changed. */
import { chmodSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { stage, startSeed } from '../kit/stage.ts'

const PIECE = 16_384
const FILES = { 'a.bin': 3 * PIECE, 'b.bin': 2 * PIECE }

function spoil(path: string): void {
  const bytes = readFileSync(path)
  bytes[100]! ^= 0xff
  writeFileSync(path, bytes)
}

async function piecesFound(file: string, dir: string): Promise<unknown> {
  const seed = startSeed(file, dir)
  const { pieces } = await seed.event('checked')
  await seed.event('seeding')
  expect((await seed.end()).code).toBe(0)
  return pieces
}

test('only what changed is read again', async () => {
  const { file, source, torrent } = stage({ files: FILES, pieceLength: PIECE })
  const a = join(source, torrent.name, 'a.bin')
  const b = join(source, torrent.name, 'b.bin')
  const whole = new Date(1_700_000_000_000)
  utimesSync(a, whole, whole)
  expect(await piecesFound(file, source)).toBe(5)
  // Changed behind the back of everybody who looks at times: it was not read.
  spoil(a)
  utimesSync(a, whole, whole)
  expect(await piecesFound(file, source)).toBe(5)
  // Changed as programs change files: read, and found wrong.
  spoil(b)
  expect(await piecesFound(file, source)).toBe(4)
  spoil(b)
  expect(await piecesFound(file, source)).toBe(5)
  // Without the record everything is read.
  rmSync(join(source, '.shoal'), { recursive: true })
  expect(await piecesFound(file, source)).toBe(4)
})

test('a folder that cannot be written to is seeded all the same', async () => {
  const { file, source } = stage({ files: FILES, pieceLength: PIECE })
  writeFileSync(join(source, '.shoal'), 'in the way')
  chmodSync(source, 0o555)
  expect(await piecesFound(file, source)).toBe(5)
  expect(statSync(join(source, '.shoal')).isFile()).toBe(true)
})

test('a clock that was set back, or forward, makes it read again and believe nothing', async () => {
  const { file, source, torrent } = stage({ files: FILES, pieceLength: PIECE })
  const [a, b] = ['a.bin', 'b.bin'].map((name) => join(source, torrent.name, name)) as [string, string]
  expect(await piecesFound(file, source)).toBe(5)
  for (const year of [1971, 2100]) {
    const then = new Date(Date.UTC(year, 1, 1))
    // Written while the clock said so: older than the record, or newer than today.
    spoil(b)
    utimesSync(b, then, then)
    expect(await piecesFound(file, source), `${year}, spoiled`).toBeLessThan(5)
    spoil(b)
    utimesSync(b, then, then)
    utimesSync(a, then, then)
    // Equal length and time are believed, as above; so the record has to go.
    rmSync(join(source, '.shoal'), { recursive: true })
    expect(await piecesFound(file, source), `${year}, whole`).toBe(5)
  }
})
