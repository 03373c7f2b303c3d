import { expect, test } from 'vitest'
import { MemoryStore } from './memory-store.ts'
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
