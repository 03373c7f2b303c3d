/** Peers of one network find one another with nothing but multicast (BEP 14). */
import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { describe, expect, test } from 'vitest'
import { Shoal } from '../kit/shoal.ts'
import { stage } from '../kit/stage.ts'
import { treeDifferences } from '../kit/trees.ts'
import { sleep } from '../kit/waiting.ts'

const hasNetwork = Object.values(networkInterfaces())
  .flat()
  .some((address) => address?.internal === false)
const NOTHING_ELSE = ['--port', '0', '--no-tracker', '--no-ring', '--no-dht', '--no-pex']

/** A torrent nobody else on this machine has. */
function unheardOf(options: { private?: boolean } = {}) {
  return stage({ name: `local-${randomBytes(6).toString('hex')}`, ...options })
}

describe.skipIf(!hasNetwork)('in a local network', () => {
  test('a download finds a seed without any tracker', async () => {
    const { file, source, target } = unheardOf()
    Shoal.start(['seed', file, '--dir', source, ...NOTHING_ELSE])
    const get = Shoal.start(['get', file, '--dir', target, ...NOTHING_ELSE])
    await get.event('complete', undefined, 20_000)
    expect(treeDifferences(source, target)).toEqual([])
    await get.end()
  })

  test.each([
    ['one that is told not to look', {}, ['--no-lan']],
    ['one of a private torrent', { private: true }, []],
    ['one that listens on loopback alone', {}, ['--host', '127.0.0.1']],
  ])('%s finds nobody', async (_who, options, args) => {
    const { file, source, target } = unheardOf(options)
    Shoal.start(['seed', file, '--dir', source, ...NOTHING_ELSE])
    const get = Shoal.start(['get', file, '--dir', target, ...NOTHING_ELSE, ...args])
    await get.readyEndpoint()
    await sleep(3000)
    expect(get.all('connecting')).toEqual([])
    expect(get.all('peer-connected')).toEqual([])
  })
})
