/**
 * A thousand processes killed at random moments (`SHOAL_KILLS` says another number): four in five of them
 * downloads, the others `create` and `share`. Two at a time.
 */
import { expect, test } from 'vitest'
import { DOWNLOADS, killDownloadsOf, killPublicationsOf, PUBLICATIONS } from '../kit/kill-scenarios.ts'

const KILLS = Number(process.env.SHOAL_KILLS ?? 1000)

test(`${KILLS} kills lose nothing and leave nothing`, async () => {
  const perDownload = Math.ceil((0.8 * KILLS) / DOWNLOADS.length)
  const perPublication = Math.ceil((0.2 * KILLS) / PUBLICATIONS.length)
  let kills = 0
  const work = [
    ...DOWNLOADS.map((kind) => async () => {
      const { seed, ...counts } = await killDownloadsOf(kind, perDownload)
      kills += counts.kills
      console.log(`${kind}, SHOAL_SEED=${seed}: ${JSON.stringify(counts)}`)
    }),
    ...PUBLICATIONS.map((command) => async () => {
      await killPublicationsOf(command, perPublication)
      kills += perPublication
      console.log(`${command}: ${perPublication} kills`)
    }),
  ]
  const worker = async () => {
    for (let next = work.shift(); next !== undefined; next = work.shift()) await next()
  }
  await Promise.all([worker(), worker()])
  expect(kills).toBeGreaterThanOrEqual(KILLS)
})
