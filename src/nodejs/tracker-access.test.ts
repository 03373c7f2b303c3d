import { expect, test } from 'vitest'
import { MemoryStore } from './memory-store.ts'
import type { TableWatcher } from './store.ts'
import { TrackerAccess } from './tracker-access.ts'

const HERE = Uint8Array.of(10, 0, 0, 1)
const SECRET = new Uint8Array(20).fill(1)
const PUBLIC = new Uint8Array(20).fill(2)

async function joined(access: TrackerAccess): Promise<string> {
  return (await access.join(access.invite('operator', 60, 1).secret, 'anna', HERE)).passkey
}

test('in the mode open only swarms that were made private want a passkey, also after a restart', async () => {
  const store = new MemoryStore()
  const before = await TrackerAccess.open({ mode: 'open', tokenFile: undefined }, store)
  expect(before.refusal(undefined, SECRET, HERE)).toBeUndefined()
  before.protect(SECRET)
  const passkey = await joined(before)
  const after = await TrackerAccess.open({ mode: 'open', tokenFile: undefined }, store)
  for (const access of [before, after]) {
    expect(access.refusal(undefined, PUBLIC, HERE)).toBeUndefined()
    expect(access.refusal(undefined, SECRET, HERE)).toMatch(/members/)
    expect(access.refusal('x'.repeat(43), SECRET, HERE)).toMatch(/not valid/)
    expect(access.refusal(passkey, SECRET, HERE)).toBeUndefined()
  }
})

test('who announces with wrong passkeys is not looked at for a while; others are', async () => {
  const access = await TrackerAccess.open({ mode: 'invite', tokenFile: undefined }, new MemoryStore())
  const passkey = await joined(access)
  for (let i = 0; i < 20; i++) access.refusal(`wrong ${i}`, PUBLIC, HERE)
  expect(access.refusal(passkey, PUBLIC, HERE)).toMatch(/too many/)
  expect(access.refusal(passkey, PUBLIC, Uint8Array.of(10, 0, 0, 2))).toBeUndefined()
})

test('without a place for it the token is shown once; an open tracker that keeps nothing has none', async () => {
  const open = await TrackerAccess.open({ mode: 'open', tokenFile: undefined }, new MemoryStore())
  expect(open.newToken).toBeUndefined()
  expect(open.askerOf('', HERE)).toBeUndefined()
  const closed = await TrackerAccess.open({ mode: 'members', tokenFile: undefined }, new MemoryStore())
  expect(closed.askerOf(closed.newToken!, HERE)).toBe('operator')
  expect(closed.askerOf(`${closed.newToken}x`, HERE)).toBeUndefined()
})

test('a use of an invite counts once, whichever process takes it', async () => {
  const store = new MemoryStore()
  const mode = { mode: 'members', tokenFile: undefined } as const
  const first = await TrackerAccess.open(mode, store)
  const { secret } = first.invite('operator', 60, 2)
  const second = await TrackerAccess.open(mode, store)
  const joins = [first, second, first, second].map((access) => access.join(secret, '', HERE))
  const settled = await Promise.allSettled(joins)
  expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
  for (const access of [first, second]) expect(access.invites('operator')).toEqual([])
})

test('a swarm that was made private stays so when the store lost it, and is put back', async () => {
  const watchers = new Map<string, TableWatcher>()
  class LosingStore extends MemoryStore {
    override async watch(table: string, watcher: TableWatcher): Promise<void> {
      watchers.set(table, watcher)
      await super.watch(table, watcher)
    }
  }
  const store = new LosingStore()
  const access = await TrackerAccess.open({ mode: 'open', tokenFile: undefined }, store)
  access.protect(SECRET)
  const passkey = await joined(access)
  const [row] = await store.rows('private-swarms')
  store.delete('private-swarms', row!.key)
  for (const watcher of watchers.values()) watcher.all([])
  expect(await store.rows('private-swarms')).toEqual([row])
  expect(access.refusal(undefined, SECRET, HERE)).toMatch(/members/)
  expect(access.refusal(passkey, SECRET, HERE), 'a member that the store lost').toMatch(/not valid/)
})

test('what does not read as a member or an invite is left out', async () => {
  const store = new MemoryStore()
  for (const [key, value] of [
    ['a', 'no JSON'],
    ['b', 'null'],
    ['c', '{"id":"other"}'],
  ] as const)
    for (const table of ['members', 'invites']) store.put(table, key, Buffer.from(value))
  const access = await TrackerAccess.open({ mode: 'members', tokenFile: undefined }, store)
  expect([access.memberCount, access.invites('operator').length]).toEqual([0, 0])
})
