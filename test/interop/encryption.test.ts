/**
 * Clients that insist on encryption and clients that will not have it do not meet. (The
 * others: clients.test.ts.)
 */
import { expect, test } from 'vitest'
import { startLibtorrent } from '../kit/real-clients.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { sleep } from '../kit/waiting.ts'

const FILES = { 'a.bin': 700_001, 'b/ü.bin': 16_384, 'b/c/d.bin': 333_333, z: 1 }

test('libtorrent, which insists on encryption, and Shoal, which has it off, do not meet', async () => {
  const { file, source, target } = stage({ files: FILES })
  const client = await startLibtorrent({ torrent: file, dir: source, host: '127.0.0.3', encryption: 'rc4' })
  const get = startGet(file, target, {
    host: '127.0.0.4',
    peers: [client],
    args: ['--encryption', 'off'],
  })
  await get.event('peer-disconnected', ({ reason }) => reason !== undefined, 10_000)
  await sleep(2000)
  expect(get.all('peer-connected')).toEqual([])
})

test('libtorrent, which has encryption off, and Shoal, which requires it, do not meet', async () => {
  const { file, source, target } = stage({ files: FILES })
  const seed = startSeed(file, source, { host: '127.0.0.2', args: ['--encryption', 'require'] })
  const { port } = await seed.readyEndpoint()
  await startLibtorrent({ torrent: file, dir: target, host: '127.0.0.3', peers: [`127.0.0.2:${port}`] })
  await sleep(3000)
  expect(seed.all('peer-connected')).toEqual([])
})
