/** F7: what a transfer keeps in memory does not grow with what is transferred; nothing is mapped. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { mustRun, type Shoal } from '../kit/shoal.ts'
import { startGet, startSeed } from '../kit/stage.ts'

const MIB = 1024 * 1024
const LENGTH = 400 * MIB

/** Most memory the process ever had, in MiB. */
function peakMebibytes({ pid }: Shoal): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

if (process.platform !== 'linux') console.log('skipped: needs /proc of Linux')
test.skipIf(process.platform !== 'linux')(
  'F7: 400 MiB pass through a fraction of that',
  async () => {
    const root = temporaryFolder('memory')
    const file = join(root, 'big')
    writeFileSync(file, 'not only zeros')
    // Mostly a hole, which takes no space here.
    truncateSync(file, LENGTH)
    const torrent = join(root, 'big.torrent')
    await mustRun(['create', file, '-o', torrent, '--format', 'v1', '--piece-length', '1MiB'], {
      timeoutMs: 60_000,
    })
    const args = ['--memory', '8MiB', '--final-check', 'off']
    const seed = startSeed(torrent, root, { args })
    const peers = [await seed.readyEndpoint(60_000)]
    const before = [seed].map(peakMebibytes)
    const get = startGet(torrent, join(root, 'target'), { peers, args })
    await get.event('complete', undefined, 120_000)
    expect(get.all('piece-verified')).toHaveLength(400)
    expect(peakMebibytes(get)).toBeLessThan(250)
    expect(peakMebibytes(seed) - before[0]!).toBeLessThan(120)
  },
  180_000,
)
