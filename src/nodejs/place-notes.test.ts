import { mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/kit/clean-up.ts'
import { keepNewestFiles } from './newest-files.ts'
import { placeNotePath } from './place-notes.ts'

test('one note for each place a torrent is seeded from, by whatever name the place goes', () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'here'))
  symlinkSync(join(folder, 'here'), join(folder, 'link'))
  const noteOf = (dir: string) => placeNotePath('/notes', 'ab', join(folder, dir), 'seed')
  expect(noteOf('here')).toMatch(/^\/notes\/ab-[0-9a-f]{16}\.seed$/)
  expect(noteOf('link')).toBe(noteOf('here'))
  expect(noteOf('absent')).not.toBe(noteOf('here'))
  const before = noteOf('link/new/er')
  mkdirSync(join(folder, 'here/new/er'), { recursive: true })
  expect(noteOf('link/new/er')).toBe(before)
})

test('the oldest files go first', () => {
  const folder = temporaryFolder()
  for (const [age, name] of ['c', 'a', 'b', 'd'].entries()) {
    writeFileSync(join(folder, name), '')
    utimesSync(join(folder, name), 1000 - age, 1000 - age)
  }
  keepNewestFiles(folder, 2)
  expect(readdirSync(folder).sort()).toEqual(['a', 'c'])
  keepNewestFiles(join(folder, 'absent'), 2)
})
