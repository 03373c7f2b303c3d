import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, test } from 'vitest'
import { MemoryStore } from './memory-store.ts'
import { openStore } from './open-store.ts'
import { SqliteStore } from './sqlite-store.ts'
import type { Store } from './store.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-store-'))
  folders.push(folder)
  return join(folder, 'deep', 'tracker.sqlite')
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text))
const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString()

describe.for([
  ['memory', async () => new MemoryStore() as Store],
  ['sqlite', async () => (await SqliteStore.open(newFile())) as Store],
] as const)('%s', ([, open]) => {
  test('gives back what was put, in order, table by table', async () => {
    const store = await open()
    store.put('a', '2', bytes('two'))
    store.put('a', '1', bytes('one'))
    store.put('b', '1', bytes('other'))
    store.put('a', '2', bytes('zwei'))
    expect(text(await store.get('a', '2'))).toBe('zwei')
    expect(await store.get('c', '1')).toBeUndefined()
    expect((await store.rows('a')).map(({ key, value }) => [key, text(value)])).toEqual([
      ['1', 'one'],
      ['2', 'zwei'],
    ])
    store.delete('a', '1')
    expect(await store.get('a', '1')).toBeUndefined()
    await store.flush()
    expect(await store.get('a', '1')).toBeUndefined()
    expect(text(await store.get('b', '1'))).toBe('other')
    await store.close()
  })
})

test('a file keeps it, and one program at a time has the file', async () => {
  const file = newFile()
  const store = await SqliteStore.open(file)
  store.put('a', '1', bytes('one'))
  await expect(SqliteStore.open(file)).rejects.toMatchObject({ code: 'store/in-use' })
  await store.close()
  const again = await SqliteStore.open(file)
  expect(text(await again.get('a', '1'))).toBe('one')
  await again.close()
})

test('files of others and of the future are left alone', async () => {
  const file = newFile()
  await (await SqliteStore.open(file)).close()
  const future = new DatabaseSync(file)
  future.exec('PRAGMA user_version = 99')
  future.close()
  await expect(SqliteStore.open(file)).rejects.toMatchObject({ code: 'store/too-new' })
  const other = `${file}.other`
  const foreign = new DatabaseSync(other)
  foreign.exec('CREATE TABLE mine (x)')
  foreign.close()
  await expect(SqliteStore.open(other)).rejects.toMatchObject({ code: 'store/not-ours' })
  await expect(SqliteStore.open(join(file, 'x.sqlite'))).rejects.toMatchObject({
    code: 'store/cannot-open',
  })
})

test('which store is meant', async () => {
  const data = join(newFile(), '..')
  const stores = [
    await openStore('memory', 6969),
    await openStore('auto', 0),
    await openStore('auto', 6969, undefined, { XDG_DATA_HOME: data }),
    await openStore(`sqlite:${join(data, 'x.sqlite')}`, 0),
  ]
  expect(stores.map(({ description }) => description)).toEqual([
    'memory',
    'memory',
    join(data, 'shoal', 'tracker-6969.sqlite'),
    join(data, 'x.sqlite'),
  ])
  for (const store of stores) await store.close()
  await expect(openStore('redis://localhost', 0)).rejects.toMatchObject({ code: 'usage/bad-option' })
  await expect(openStore('sqlite:', 0)).rejects.toMatchObject({ code: 'usage/bad-option' })
})
