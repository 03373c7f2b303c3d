/**
 * What a command says, and exits with, when it is stopped before it is done, or about to
 * write over something.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FakePeer } from '../kit/fake-peer.ts'
import { ALONE, Shoal } from '../kit/shoal.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import { treeDifferences, writeTree } from '../kit/trees.ts'

const BOOK = { files: { 'a.bin': 40_000, 'b.bin': 40_000 }, pieceLength: 16_384 }

test('launch --exit that is stopped early exits as get --exit does, and 0 when it was done', async () => {
  const { file, source, folder } = stage(BOOK)
  const launch = (dirs: string[], ...args: string[]) =>
    Shoal.start([
      'launch',
      ...dirs,
      '--torrent',
      file,
      '--host',
      '127.0.0.1',
      '--port',
      '0',
      ...ALONE,
      ...args,
    ])
  const get = startGet(file, folder('get'), { args: ['--exit'] })
  await get.event('checked')
  const { code } = await get.end()
  expect(code).toBe(1)

  const unfinished = launch([folder('empty'), folder('other')], '--exit')
  await unfinished.event('checked', ({ node }) => node === 'other')
  expect((await unfinished.end()).code).toBe(code)
  const done = launch([source, folder('done')], '--exit')
  expect((await done.exitWithin()).code).toBe(0)
  const endless = launch([folder('empty'), folder('other')])
  await endless.event('checked', ({ node }) => node === 'other')
  expect((await endless.end()).code).toBe(0)
})

test('get warns before it writes over files of the same name, and says nothing of its own', async () => {
  const { file, source, target, torrent } = stage(BOOK)
  const mine = Buffer.from('my own notes, which no torrent knows')
  writeTree(join(target, torrent.name), [['a.bin', mine]])
  const path = join(target, torrent.name, 'a.bin')
  const early = startGet(file, target)
  const warning = await early.event('warning', ({ code }) => code === 'transfer/overwrites')
  expect(warning).toMatchObject({
    message: expect.stringContaining('a.bin'),
    hint: expect.stringContaining('--dir'),
  })
  expect(warning.message).not.toContain('b.bin')
  await early.event('checked')
  await early.end()
  expect(readFileSync(path)).toEqual(mine)

  const seeder = await FakePeer.listen(torrent, { has: [0, 1] })
  const get = startGet(file, target, { peers: [seeder] })
  const verified = await get.event('piece-verified')
  await get.event('piece-verified', ({ piece }) => piece !== verified.piece)
  expect(get.all('warning').filter(({ code }) => code === 'transfer/overwrites')).toHaveLength(1)
  expect((await get.event('warning')).at).toBeLessThanOrEqual(verified.at)
  // killed: what it left is no stranger's
  await get.kill()
  const whole = await FakePeer.listen(torrent)
  const again = startGet(file, target, { peers: [whole], args: ['--exit'] })
  expect((await again.exitWithin()).code).toBe(0)
  expect(again.all('warning')).toEqual([])
  expect(treeDifferences(source, target)).toEqual([])
})

test('repair is meant to write over what is wrong', async () => {
  const { file, source, torrent, folder } = stage(BOOK)
  const damaged = torrent.writeContent(folder('damaged'))
  writeFileSync(join(damaged, torrent.name, 'a.bin'), Buffer.alloc(40_000))
  const seeder = await FakePeer.listen(torrent)
  const seed = startSeed(file, damaged, { peers: [seeder], args: ['--repair'] })
  await seed.event('complete')
  expect(seed.all('warning')).toEqual([])
  expect(treeDifferences(source, damaged)).toEqual([])
})
