import { expect, test } from 'vitest'
import type { Metainfo } from '../wire/metainfo.ts'
import type { ShoalEvent } from './events.ts'
import { Output } from './output.ts'
import { PieceTally } from './piece-tally.ts'

/** Three pieces of 100 bytes, the last one short. */
const metainfo = {
  format: 'v1',
  name: 'memes',
  infoHashV1: new Uint8Array(20),
  infoHashV2: null,
  pieceLength: 100,
  pieceCount: 3,
  files: [
    { path: ['a'], rawPath: [], length: 250, offset: 0, isPad: false, piecesRoot: null, pieceLayer: null },
  ],
} as unknown as Metainfo

function report(json: boolean): string {
  const tally = new PieceTally(metainfo)
  tally.record({ event: 'peer-connected', address: '127.0.0.2:1', peerId: '-XX-', client: 'Other 1.0' })
  tally.record({ event: 'piece-verified', piece: 0, from: '127.0.0.2:1' })
  tally.record({ event: 'piece-verified', piece: 2, from: '127.0.0.3:1' })
  tally.record({ event: 'piece-verified', piece: 1, from: '127.0.0.2:1' })
  tally.record({ event: 'piece-failed', piece: 1, from: '127.0.0.3:1' })
  let text = ''
  const stream = { write: (more: string) => (text += more) }
  const verbose = { tracker: 0, serve: 0, fetch: 0 }
  tally.report(new Output({ json, quiet: false, verbose, stdout: stream, stderr: stream, environment: {} }), {
    seconds: 2,
    isComplete: false,
    missing: 1,
  })
  return text
}

test('says which peer gave how many pieces and bytes, and the sum', () => {
  expect(report(false)).toBe(`
peer         client     pieces  bytes
127.0.0.2:1  Other 1.0       2  200 B
127.0.0.3:1  -               1   50 B
total                        3  250 B
`)
})

test('for programs: a line for each source, then the sum', () => {
  const events = report(true)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as ShoalEvent)
  expect(events).toMatchObject([
    { event: 'source', address: '127.0.0.2:1', client: 'Other 1.0', pieces: 2, bytes: 200 },
    { event: 'source', address: '127.0.0.3:1', pieces: 1, bytes: 50 },
    {
      event: 'summary',
      infoHash: '00'.repeat(20),
      pieces: 3,
      bytes: 250,
      seconds: 2,
      sources: 2,
      complete: false,
      missing: 1,
    },
  ])
})
