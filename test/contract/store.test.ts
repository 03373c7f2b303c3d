/**
 * What every store promises those who share it: a swap decides for all, a watcher hears of everything. In
 * memory and in a file there is one process; of Redis there are two here.
 */
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MemoryStore } from '../../src/nodejs/memory-store.ts'
import { RedisConnection } from '../../src/nodejs/redis-connection.ts'
import { RedisStore } from '../../src/nodejs/redis-store.ts'
import { SqliteStore } from '../../src/nodejs/sqlite-store.ts'
import type { Store } from '../../src/nodejs/store.ts'
import { temporaryFolder } from '../kit/clean-up.ts'
import { RedisServer, startRedisCluster } from '../kit/redis-server.ts'
import { until } from '../kit/waiting.ts'

const bytes = (text: string) => new Uint8Array(Buffer.from(text))
const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString()

async function openRedis(server: { readonly url: string }): Promise<RedisStore> {
  const connection = await RedisConnection.open(server.url, { lost: () => {}, regained: () => {} })
  const store = new RedisStore(connection)
  onTestFinished(async () => {
    await store.close()
    connection.close()
  })
  return store
}

async function withClose(store: Store): Promise<Store> {
  onTestFinished(() => store.close())
  return store
}

const STORES: readonly (readonly [string, () => Promise<readonly [Store, Store]>])[] = [
  ['memory', async () => twice(await withClose(new MemoryStore()))],
  ['sqlite', async () => twice(await withClose(await SqliteStore.open(newFile())))],
  [
    'redis',
    async () => {
      const server = await RedisServer.start()
      return [await openRedis(server), await openRedis(server)]
    },
  ],
]

function twice(store: Store): readonly [Store, Store] {
  return [store, store]
}

function newFile(): string {
  return join(temporaryFolder('store'), 'tracker.sqlite')
}

/** A table as its watcher knows it. */
class Mirror {
  readonly rows = new Map<string, string>()
  wholes = 0

  all(rows: readonly { key: string; value: Uint8Array }[]): void {
    this.wholes++
    this.rows.clear()
    for (const { key, value } of rows) this.rows.set(key, text(value)!)
  }

  changed(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) this.rows.delete(key)
    else this.rows.set(key, text(value)!)
  }

  static async of(store: Store, table: string): Promise<Mirror> {
    const mirror = new Mirror()
    await store.watch(table, mirror)
    return mirror
  }
}

describe.for(STORES)('%s', ([, open]) => {
  test('a swap is done where the value is the expected one, and nowhere else', async () => {
    const [a, b] = await open()
    expect(await a.swap('t', 'k', undefined, bytes('1'))).toBe(true)
    expect(await b.swap('t', 'k', undefined, bytes('2'))).toBe(false)
    expect(await b.swap('t', 'k', bytes('2'), bytes('3'))).toBe(false)
    expect(text(await b.get('t', 'k'))).toBe('1')
    expect(await b.swap('t', 'k', bytes('1'), new Uint8Array(0))).toBe(true)
    expect(await a.swap('t', 'k', undefined, bytes('4'))).toBe(false)
    expect(await a.swap('t', 'k', new Uint8Array(0), undefined)).toBe(true)
    expect(await b.get('t', 'k')).toBeUndefined()
    expect(await b.swap('t', 'none', undefined, undefined)).toBe(true)
  })

  test('a swap sees what was put just before', async () => {
    const [a] = await open()
    a.put('t', 'k', bytes('1'))
    expect(await a.swap('t', 'k', undefined, bytes('2'))).toBe(false)
    a.put('t', 'k', bytes('3'))
    expect(await a.swap('t', 'k', bytes('3'), bytes('4'))).toBe(true)
    a.delete('t', 'k')
    expect(await a.swap('t', 'k', undefined, bytes('5'))).toBe(true)
    expect(text(await a.get('t', 'k'))).toBe('5')
  })

  test('of many who count at once each gets a number of their own', async () => {
    const stores = await open()
    const take = async (store: Store): Promise<number> => {
      for (;;) {
        const before = await store.get('t', 'count')
        const next = Number(text(before) ?? 0) + 1
        if (await store.swap('t', 'count', before, bytes(String(next)))) return next
      }
    }
    const taken = await Promise.all(Array.from({ length: 40 }, (_, i) => take(stores[i % 2]!)))
    expect(taken.sort((x, y) => x - y)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
  })

  test('a watcher is told what is there', async () => {
    const [a, b] = await open()
    a.put('t', '2', bytes('two'))
    a.put('t', '1', bytes('one'))
    a.put('other', '3', bytes('three'))
    await a.flush()
    expect([...(await Mirror.of(b, 't')).rows]).toEqual([
      ['1', 'one'],
      ['2', 'two'],
    ])
  })
})

test('what one process writes the other is told, more than one answer can hold too', async () => {
  const server = await RedisServer.start()
  const [a, b] = [await openRedis(server), await openRedis(server)]
  a.put('t', 'gone', bytes('x'))
  await a.flush()
  const mirror = await Mirror.of(b, 't')
  const own = await Mirror.of(a, 't')
  for (let i = 0; i < 350; i++) a.put('t', `put ${i}`, bytes(String(i)))
  a.delete('t', 'gone')
  await a.swap('t', 'swapped', undefined, bytes('y'))
  await until('everything', () => mirror.rows.size === 351)
  expect(mirror.rows.get('put 349')).toBe('349')
  expect(mirror.rows.get('swapped')).toBe('y')
  expect(mirror.rows.has('gone')).toBe(false)
  expect(mirror.wholes).toBe(1)
  await until('the own ones', () => own.rows.size === 351)
})

test('who was away while more changed than the log holds reads everything again', async () => {
  const server = await RedisServer.start()
  const [a, b] = [await openRedis(server), await openRedis(server)]
  const mirror = await Mirror.of(b, 't')
  // Faster than anybody asks.
  for (let i = 0; i < 2500; i++) a.put('t', `${i}`, bytes('1'))
  await a.flush()
  for (let i = 0; i < 2500; i += 2) a.delete('t', `${i}`)
  await a.flush()
  await until('all of it', () => mirror.rows.size === 1250 && mirror.rows.has('2499'))
})

test('of a key that is written again and again nobody is told an older value than they gave', async () => {
  const server = await RedisServer.start()
  const [a, b] = [await openRedis(server), await openRedis(server)]
  let given = 0
  let isOlder = false
  await a.watch('t', {
    all: () => {},
    changed: (_key, value) => {
      if (Number(text(value)) < given) isOlder = true
    },
  })
  const mirror = await Mirror.of(b, 't')
  const start = performance.now()
  while (performance.now() - start < 1500) {
    a.put('t', 'k', bytes(String(++given)))
    if (given % 3 === 0) await a.flush()
    if (given % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await a.flush()
  await until('the last value', () => mirror.rows.get('k') === String(given))
  expect(isOlder).toBe(false)
})

test('a Redis that comes back empty is empty for all; what waited for it is written', async () => {
  const server = await RedisServer.start()
  const [a, b] = [await openRedis(server), await openRedis(server)]
  const mirrors = [await Mirror.of(a, 't'), await Mirror.of(b, 't')]
  await a.swap('t', 'before', undefined, bytes('x'))
  await until('the row', () => mirrors.every(({ rows }) => rows.has('before')))
  await server.kill()
  await until('loss', () =>
    b.swap('t', 'k', undefined, bytes('y')).then(
      () => false,
      ({ code }) => code === 'store/away',
    ),
  )
  a.put('t', 'meanwhile', bytes('z'))
  await expect(a.flush()).rejects.toMatchObject({ code: 'store/away' })
  await server.startAgain()
  await until('the new table', () => mirrors.every(({ rows }) => [...rows.keys()].join() === 'meanwhile'))
})

test('tables in several nodes of a cluster are shared alike', async () => {
  const cluster = { url: await startRedisCluster() }
  const [a, b] = [await openRedis(cluster), await openRedis(cluster)]
  for (const table of ['one', 'two', 'three', 'four']) {
    const mirror = await Mirror.of(b, table)
    expect(await a.swap(table, 'k', undefined, bytes('1'))).toBe(true)
    expect(await b.swap(table, 'k', undefined, bytes('2'))).toBe(false)
    a.put(table, 'other', bytes('3'))
    await until(`both rows of ${table}`, () => mirror.rows.size === 2)
  }
})
