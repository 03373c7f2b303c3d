import { expect, test } from 'vitest'
import type { NodeStatus } from '../nodejs/peer-node.ts'
import type { FileEntry, Metainfo } from '../wire/metainfo.ts'
import { DownloadProgress } from './download-progress.ts'

const file = (path: string, offset: number, length: number) =>
  ({
    path: [path],
    rawPath: [],
    length,
    offset,
    isPad: false,
    piecesRoot: null,
    pieceLayer: null,
  }) as FileEntry
/** Ten pieces: five of each file. */
const files = [file('a', 0, 500), file('b', 500, 500)]
const metainfo = { format: 'v1', pieceLength: 100, pieceCount: 10, files } as unknown as Metainfo

const node = (missing: [number, number][], role = 'download') => ({
  status: () => ({ torrents: [{ missing, role }] }) as unknown as NodeStatus,
})

test('counts wanted pieces only', () => {
  const progress = new DownloadProgress(metainfo, new Set([files[1]!]))
  expect(progress.text).toBe('stopped before the files were checked')
  progress.update(node([]))
  expect(progress.missing).toBe(5)
  progress.record({ event: 'checked', pieces: 3, total: 10 })
  progress.update(
    node([
      [0, 2],
      [4, 6],
    ]),
  )
  expect(progress).toMatchObject({ missing: 2, isComplete: false, text: '3 of 5 pieces' })
})

test('is complete once told so, until something is found wrong', () => {
  const progress = new DownloadProgress(metainfo, new Set(files))
  progress.record({ event: 'complete', infoHash: '', bytes: 1000, seconds: 3 })
  expect(progress).toMatchObject({ isComplete: true, seconds: 3 })
  progress.record({ event: 'compromised', pieces: [4] })
  expect(progress.isComplete).toBe(false)
})

test('a seed is complete when nothing is missing', () => {
  const progress = new DownloadProgress(metainfo, new Set(files))
  progress.record({ event: 'checked', pieces: 10, total: 10 })
  progress.update(node([], 'seed-only'))
  expect(progress.isComplete).toBe(true)
})
