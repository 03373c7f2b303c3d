/**
 * Who may use a tracker: its members, each with a passkey, and the invites by which one becomes a member.
 * Secrets are given to their owners once and kept as SHA-256 only, which is enough for 256 random bits; they
 * are looked up by that hash, so how long a look takes says nothing about them.
 *
 * - `open`: anybody announces, except in swarms that were made private.
 * - `invite`: members only; every member may invite others.
 * - `members`: members only; the operator alone invites.
 *
 * Invariants: an invite past its time, used up or revoked lets nobody in, and this side's clock decides; at
 * most `trackerMembersMax` members and `trackerInvitesMax` invites.
 */
import { toHex } from '../base/bytes.ts'
import type { Crypto } from '../base/env.ts'
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { encodeUtf8 } from '../base/text.ts'

export const ACCESS_MODES = ['open', 'invite', 'members'] as const
export type AccessMode = (typeof ACCESS_MODES)[number]

export interface Member {
  /** Not secret. */
  readonly id: string
  /** For people; may be empty. */
  readonly name: string
  /** 64 hex digits. */
  readonly passkeyHash: string
  /** Id of the invite. */
  readonly invite: string
  /** Milliseconds since 1970, as everywhere here. */
  readonly joinedAt: number
}

export interface Invite {
  /** Not secret. */
  readonly id: string
  /** 64 hex digits. */
  readonly secretHash: string
  /** Id of the member who made it; null for the operator. */
  readonly by: string | null
  readonly madeAt: number
  readonly expiresAt: number
  readonly usesLeft: number
}

export type AccessChange =
  | { readonly kind: 'member'; readonly id: string; readonly member: Member | undefined }
  | { readonly kind: 'invite'; readonly id: string; readonly invite: Invite | undefined }

export class AccessBook {
  readonly mode: AccessMode
  readonly #crypto: Crypto
  /** By passkey hash, and by id. Bounded by `trackerMembersMax`. */
  readonly #byPasskey = new Map<string, Member>()
  readonly #members = new Map<string, Member>()
  /** By id. Bounded by `trackerInvitesMax`. */
  readonly #invites = new Map<string, Invite>()
  /** Told of everything that has to be kept. */
  readonly #changed: (change: AccessChange) => void

  constructor(mode: AccessMode, crypto: Crypto, changed: (change: AccessChange) => void = () => {}) {
    this.mode = mode
    this.#crypto = crypto
    this.#changed = changed
  }

  /** What was kept. */
  restore(members: readonly Member[], invites: readonly Invite[]): void {
    for (const member of members) this.#admit(member)
    for (const invite of invites) this.#invites.set(invite.id, invite)
  }

  /** What another process that shares this book changed; it is not told again. */
  take(change: AccessChange): void {
    if (change.kind === 'invite') {
      if (change.invite === undefined) this.#invites.delete(change.id)
      else this.#invites.set(change.id, change.invite)
      return
    }
    const known = this.#members.get(change.id)
    this.#members.delete(change.id)
    if (known !== undefined) this.#byPasskey.delete(known.passkeyHash)
    if (change.member !== undefined) this.#admit(change.member)
  }

  /** Ids of what is known, as those of others may be gone by now. */
  ids(kind: AccessChange['kind']): readonly string[] {
    return [...(kind === 'member' ? this.#members : this.#invites).keys()]
  }

  get members(): readonly Member[] {
    return [...this.#members.values()]
  }

  invites(now: number): readonly Invite[] {
    this.#forgetOld(now)
    return [...this.#invites.values()]
  }

  memberOf(passkey: string): Member | undefined {
    return this.#byPasskey.get(this.#hash(passkey))
  }

  /** @param by the member who invites, or the operator */
  mayInvite(by: Member | 'operator'): boolean {
    return by === 'operator' || this.mode === 'invite'
  }

  /** Fails with `access/too-many-invites`. @param secret of the link, made by chance */
  invite(
    now: number,
    by: Member | 'operator',
    { id, secret, seconds, uses }: { id: string; secret: string; seconds: number; uses: number },
  ): Result<Invite> {
    this.#forgetOld(now)
    const maker = by === 'operator' ? null : by.id
    let ofMaker = 0
    for (const invite of this.#invites.values()) if (invite.by === maker) ofMaker++
    const isFull = this.#invites.size >= LIMITS.trackerInvitesMax.value
    if (isFull || (maker !== null && ofMaker >= LIMITS.invitesPerMemberMax.value))
      return fail('access/too-many-invites', 'there are too many open invites', 'Revoke some, or wait.')
    const expiresAt = now + seconds * 1000
    const secretHash = this.#hash(secret)
    return ok(this.#keepInvite({ id, secretHash, by: maker, madeAt: now, expiresAt, usesLeft: uses }))
  }

  /** True when there was such an invite, and this one may revoke it. */
  revokeInvite(id: string, by: Member | 'operator'): boolean {
    const invite = this.#invites.get(id)
    if (invite === undefined || (by !== 'operator' && invite.by !== by.id)) return false
    this.#invites.delete(id)
    this.#changed({ kind: 'invite', id, invite: undefined })
    return true
  }

  /** True when there was such a member; the passkey is worth nothing from now on. */
  expel(id: string): boolean {
    const member = this.#members.get(id)
    if (member === undefined) return false
    this.#members.delete(id)
    this.#byPasskey.delete(member.passkeyHash)
    this.#changed({ kind: 'member', id, member: undefined })
    for (const invite of this.#invites.values())
      if (invite.by === id) this.revokeInvite(invite.id, 'operator')
    return true
  }

  /**
   * Makes a member of whoever has the secret of an invite. Fails with `access/bad-invite`, the same for every
   * reason, and `access/full`.
   */
  join(
    now: number,
    secret: string,
    { id, name, passkey }: { id: string; name: string; passkey: string },
  ): Result<Member> {
    const admitted = this.inviteOf(now, secret)
    if (!admitted.ok) return admitted
    const found = admitted.value
    const member: Member = { id, name, passkeyHash: this.#hash(passkey), invite: found.id, joinedAt: now }
    this.#admit(member)
    this.#changed({ kind: 'member', id, member })
    const left = afterUse(found)
    if (left !== undefined) this.#keepInvite(left)
    else this.revokeInvite(found.id, 'operator')
    return ok(member)
  }

  /** The invite with which that secret lets somebody in. Fails as `join`. */
  inviteOf(now: number, secret: string): Result<Invite> {
    const hash = this.#hash(secret)
    let found: Invite | undefined
    for (const invite of this.invites(now)) if (invite.secretHash === hash) found = invite
    // Who was expelled a moment ago, elsewhere, may have invited in between.
    const isOfNobody = found?.by != null && !this.#members.has(found.by)
    if (found === undefined || isOfNobody)
      return fail('access/bad-invite', 'this invite is not valid (any more)', 'Ask for a new one.')
    if (this.#members.size >= LIMITS.trackerMembersMax.value)
      return fail('access/full', 'this tracker has as many members as it can have')
    return ok(found)
  }

  #keepInvite(invite: Invite): Invite {
    this.#invites.set(invite.id, invite)
    this.#changed({ kind: 'invite', id: invite.id, invite })
    return invite
  }

  #admit(member: Member): void {
    this.#members.set(member.id, member)
    this.#byPasskey.set(member.passkeyHash, member)
  }

  #forgetOld(now: number): void {
    for (const { id, expiresAt } of this.#invites.values())
      if (expiresAt <= now) this.revokeInvite(id, 'operator')
  }

  #hash(secret: string): string {
    return toHex(this.#crypto.sha256(encodeUtf8(secret)))
  }
}

/** What is left of an invite when one more has come in; undefined = nothing. */
export function afterUse(invite: Invite): Invite | undefined {
  return invite.usesLeft > 1 ? { ...invite, usesLeft: invite.usesLeft - 1 } : undefined
}
