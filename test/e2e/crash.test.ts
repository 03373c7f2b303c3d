/**
 * Killed without a warning, at whatever moment: while it looks at what an earlier run left, while it downloads,
 * when it is done, when it publishes: fifty times here, a thousand times in `test/long/kills.test.ts`.
 */
import { expect, test } from 'vitest'
import { DOWNLOADS, killDownloadsOf, killPublicationsOf, PUBLICATIONS } from '../kit/kill-scenarios.ts'

test.each(DOWNLOADS)('a download killed again and again loses nothing (%s)', async (kind) => {
  expect((await killDownloadsOf(kind, 8)).kills).toBe(8)
})

test.each(PUBLICATIONS)('%s that is killed leaves a whole .torrent or none', async (command) => {
  await killPublicationsOf(command, 5)
})
