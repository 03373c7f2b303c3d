/** A network that goes and comes back: transfers go on by themselves, and nothing spins meanwhile. */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Shoal } from '../kit/shoal.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { sleep } from '../kit/waiting.ts'

const tried = spawnSync('unshare', ['-n', 'ip', 'link', 'set', 'lo', 'up'], { encoding: 'utf8' })
const NO_NETWORKS =
  tried.status === 0 ? undefined : `no network namespaces here: ${tried.stderr || tried.error}`
if (NO_NETWORKS) console.log(`skipped: ${NO_NETWORKS}`)

const PIECE = 64 * 1024

/** Seconds of CPU time a process has used. */
function cpuSeconds({ pid }: Shoal): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

describe.skipIf(NO_NETWORKS)('a network of its own', () => {
  test('gone long enough to break every connection, and back', async () => {
    const { file, source, target } = stage({ files: { 'big.bin': 60 * PIECE }, pieceLength: PIECE })
    const args = ['--idle-timeout', '3s', '--handshake-timeout', '2s', '--request-timeout', '2s']
    const seed = startSeed(file, source, {
      args: [...args, '--upload-limit', '400KB/s'],
      through: ['unshare', '-n', '--', 'sh', '-ec', 'ip link set lo up; exec "$@"', 'sh'],
    })
    const peers = [await seed.readyEndpoint()]
    const get = startGet(file, target, { peers, args, through: ['nsenter', '-t', `${seed.pid}`, '-n', '--'] })
    await get.event('piece-verified')
    const link = (state: string) =>
      spawnSync('nsenter', ['-t', `${seed.pid}`, '-n', 'ip', 'link', 'set', 'lo', state])
    expect(link('down').status).toBe(0)
    await get.event('peer-disconnected', undefined, 60_000)
    const before = [seed, get].map(cpuSeconds)
    const from = get.events.items.length
    await sleep(8000)
    const used = [seed, get].map((shoal, i) => cpuSeconds(shoal) - before[i]!)
    // An idle program uses a few hundredths of a second; one that spins uses all eight.
    expect(Math.max(...used)).toBeLessThan(4)
    expect(get.events.items.length - from).toBeLessThan(60)
    expect(get.all('complete')).toEqual([])
    get.type('status')
    const { torrents } = await get.event('status')
    expect(['no-peers', 'connecting']).toContain(torrents[0].standstill.cause)
    link('up')
    await get.event('complete', undefined, 120_000)
    expect(treeDifferences(source, target)).toEqual([])
  })
})
