/**
 * Killed without a warning, at whatever moment: while it looks at what an earlier run left,
 * while it downloads, when it is done, when it publishes: fifty times here, a thousand
 * times in `test/long/kills.test.ts`.
 */
import { expect, test } from 'vitest'
import {
  DOWNLOADS,
  killBeforeEachChange,
  killDownloadsOf,
  killPublicationsOf,
  PUBLICATIONS,
} from '../kit/kill-scenarios.ts'

/** Dozens of processes in each test: on a busy machine that takes its time. */
const TIMEOUT_MS = 400_000

test.each(DOWNLOADS)(
  'a download killed again and again loses nothing (%s)',
  async (kind) => {
    expect((await killDownloadsOf(kind, 8)).kills).toBe(8)
  },
  TIMEOUT_MS,
)

test.each(PUBLICATIONS)(
  '%s that is killed leaves a whole .torrent or none',
  async (command) => {
    await killPublicationsOf(command, 5)
  },
  TIMEOUT_MS,
)

test(
  'a download killed before each of its changes to the file system loses nothing',
  async () => {
    const operations = await killBeforeEachChange()
    expect(operations).toBeGreaterThan(30)
  },
  TIMEOUT_MS,
)
