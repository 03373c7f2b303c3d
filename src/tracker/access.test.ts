import { expect, test } from 'vitest'
import { LIMITS } from '../base/limits.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import { AccessBook, type AccessChange, type Member } from './access.ts'

const DAY = 86_400
let serial = 0
const made = (secret = `secret ${++serial}`) => ({ id: `i${++serial}`, secret, seconds: DAY, uses: 1 })
const newcomer = (passkey = `passkey ${++serial}`) => ({ id: `m${++serial}`, name: 'anna', passkey })

function joined(book: AccessBook, passkey: string, now = 0): Member {
  const invite = made()
  book.invite(now, 'operator', invite)
  const member = book.join(now, invite.secret, newcomer(passkey))
  if (!member.ok) throw new Error(member.error.message)
  return member.value
}

test('an invite makes one member, whose passkey counts from then on', () => {
  const book = new AccessBook('invite', nodeCrypto)
  expect(book.memberOf('key')).toBeUndefined()
  const member = joined(book, 'key')
  expect(book.memberOf('key')).toEqual(member)
  expect(book.memberOf('other')).toBeUndefined()
})

test('an invite is used up, expires by this clock, and can be revoked: the answer is always the same', () => {
  const book = new AccessBook('invite', nodeCrypto)
  const twice = { ...made(), uses: 2 }
  book.invite(0, 'operator', twice)
  const attempts = [1, 2, 3].map(() => book.join(1, twice.secret, newcomer()).ok)
  expect(attempts).toEqual([true, true, false])
  const late = made()
  book.invite(0, 'operator', late)
  const revoked = made()
  book.invite(0, 'operator', revoked)
  book.revokeInvite(revoked.id, 'operator')
  const reasons = [
    book.join(DAY * 1000, late.secret, newcomer()),
    book.join(1, revoked.secret, newcomer()),
    book.join(1, 'never made', newcomer()),
  ]
  expect(new Set(reasons.map((reason) => JSON.stringify(reason))).size).toBe(1)
  expect(reasons[0]).toMatchObject({ ok: false, error: { code: 'access/bad-invite' } })
})

test('members invite in mode invite only, and revoke only what is theirs', () => {
  for (const mode of ['open', 'invite', 'members'] as const) {
    const book = new AccessBook(mode, nodeCrypto)
    const member = joined(book, 'key')
    expect(book.mayInvite(member)).toBe(mode === 'invite')
    expect(book.mayInvite('operator')).toBe(true)
  }
  const book = new AccessBook('invite', nodeCrypto)
  const [anna, ben] = [joined(book, 'a'), joined(book, 'b')]
  const invite = made()
  book.invite(0, anna, invite)
  expect(book.revokeInvite(invite.id, ben)).toBe(false)
  expect(book.revokeInvite(invite.id, anna)).toBe(true)
})

test('who is expelled loses the passkey and the invites they made', () => {
  const book = new AccessBook('invite', nodeCrypto)
  const anna = joined(book, 'a')
  const invite = made()
  book.invite(0, anna, invite)
  expect(book.expel(anna.id)).toBe(true)
  expect(book.memberOf('a')).toBeUndefined()
  expect(book.join(1, invite.secret, newcomer()).ok).toBe(false)
  expect(book.expel(anna.id)).toBe(false)
})

test('what is kept holds no secret, and is enough to begin again', () => {
  const changes: AccessChange[] = []
  const book = new AccessBook('members', nodeCrypto, (change) => changes.push(change))
  joined(book, 'the passkey itself')
  const open = made('the secret itself')
  book.invite(0, 'operator', open)
  expect(JSON.stringify(changes)).not.toMatch(/itself/)
  const again = new AccessBook('members', nodeCrypto)
  again.restore(book.members, book.invites(1))
  expect(again.memberOf('the passkey itself')).toBeDefined()
  expect(again.join(1, 'the secret itself', newcomer()).ok).toBe(true)
})

test('a member has so many open invites', () => {
  const book = new AccessBook('invite', nodeCrypto)
  const anna = joined(book, 'a')
  const tries = Array.from(
    { length: LIMITS.invitesPerMemberMax.value + 1 },
    () => book.invite(0, anna, made()).ok,
  )
  expect(tries.filter(Boolean)).toHaveLength(LIMITS.invitesPerMemberMax.value)
  expect(tries.at(-1)).toBe(false)
  expect(book.invite(DAY * 1000, anna, made()).ok).toBe(true)
})
