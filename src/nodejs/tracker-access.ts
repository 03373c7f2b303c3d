/**
 * Who may use a tracker, with what the pure rules (`tracker/access.ts`) lack: chance for secrets, the store
 * that keeps members and invites, the operator's token, swarms that are for members only, and the limit on
 * wrong secrets.
 * Invariants: a secret leaves here once, to its owner; the operator's token is compared in constant time.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { SIPHASH_KEY_LENGTH, SipHash } from '../base/siphash.ts'
import {
  AccessBook,
  type AccessChange,
  type AccessMode,
  afterUse,
  type Invite,
  type Member,
} from '../tracker/access.ts'
import { SourceBudgets } from '../tracker/source-budgets.ts'
import { WRONG_SECRET_BUDGET } from '../tracker/source-rules.ts'
import { nodeClock } from './node-clock.ts'
import { nodeCrypto } from './node-crypto.ts'
import { ShoalError } from './shoal-error.ts'
import { storageError } from './storage-error.ts'
import type { Store, TableWatcher } from './store.ts'

/** Decides about announces and scrapes. `address`: 4 or 16 bytes. */
export interface AnnounceGate {
  /** Why not, for the peer's user; undefined for yes. */
  refusal(passkey: string | undefined, infoHash: Uint8Array, address: Uint8Array): string | undefined
}

export type Asker = Member | 'operator'

export interface TrackerAccessOptions {
  readonly mode: AccessMode
  /** Where the operator's token is kept, made when it is not there; undefined for nowhere. */
  readonly tokenFile: string | undefined
}

const MEMBERS = 'members'
const INVITES = 'invites'
const PRIVATE_SWARMS = 'private-swarms'
/** 43 characters. */
const SECRET_BYTES = 32

export class TrackerAccess implements AnnounceGate {
  readonly mode: AccessMode
  /** Made just now and kept nowhere, to be shown once; undefined otherwise. */
  readonly newToken: string | undefined
  readonly #book: AccessBook
  readonly #store: Store
  readonly #token: Buffer | undefined
  readonly #failures = new SourceBudgets(new SipHash(randomBytes(SIPHASH_KEY_LENGTH)), WRONG_SECRET_BUDGET)
  /** 40 hex digits each. Bounded by `trackerSwarmsMax`. */
  readonly #privateSwarms = new Set<string>()

  private constructor(
    { mode }: TrackerAccessOptions,
    store: Store,
    token: { readonly text: string | undefined; readonly isNew: boolean },
  ) {
    this.mode = mode
    this.newToken = token.isNew ? token.text : undefined
    this.#store = store
    this.#token = token.text === undefined ? undefined : nodeHash(token.text)
    this.#book = new AccessBook(mode, nodeCrypto, (change) => this.#keep(change))
  }

  /** Throws ShoalError `storage/…` and what the store throws. */
  static async open(options: TrackerAccessOptions, store: Store): Promise<TrackerAccess> {
    const access = new TrackerAccess(options, store, takeToken(options))
    await store.watch(MEMBERS, access.#watcher('member'))
    await store.watch(INVITES, access.#watcher('invite'))
    await store.watch(PRIVATE_SWARMS, {
      // None is ever made public again, so one that a store lost is put back.
      all: (rows) => {
        const kept = new Set(rows.map(({ key }) => key))
        for (const key of access.#privateSwarms)
          if (!kept.has(key)) store.put(PRIVATE_SWARMS, key, new Uint8Array(0))
        for (const key of kept) access.#privateSwarms.add(key)
      },
      changed: (key, value) => void (value && access.#privateSwarms.add(key)),
    })
    return access
  }

  #watcher(kind: AccessChange['kind']): TableWatcher {
    const changed = (id: string, value: Uint8Array | undefined) => {
      const change = changeOf(kind, id, value)
      if (change !== undefined) this.#book.take(change)
    }
    return {
      all: (rows) => {
        const kept = new Set(rows.map(({ key }) => key))
        for (const id of this.#book.ids(kind)) if (!kept.has(id)) changed(id, undefined)
        for (const { key, value } of rows) changed(key, value)
      },
      changed,
    }
  }

  get memberCount(): number {
    return this.#book.members.length
  }

  get members(): readonly Member[] {
    return this.#book.members
  }

  /** From now on this swarm is for members only, in every mode. @param infoHash 20 bytes */
  protect(infoHash: Uint8Array): void {
    const key = toHex(infoHash)
    if (this.#privateSwarms.has(key) || this.#privateSwarms.size >= LIMITS.trackerSwarmsMax.value) return
    this.#privateSwarms.add(key)
    this.#store.put(PRIVATE_SWARMS, key, new Uint8Array(0))
  }

  /** Whether only members may be in that swarm, and hear who is. @param infoHash 20 bytes */
  isForMembers(infoHash: Uint8Array): boolean {
    if (this.mode !== 'open') return true
    return this.#privateSwarms.size > 0 && this.#privateSwarms.has(toHex(infoHash))
  }

  refusal(passkey: string | undefined, infoHash: Uint8Array, address: Uint8Array): string | undefined {
    if (!this.isForMembers(infoHash)) return undefined
    if (passkey === undefined) return 'this tracker is for members: announce to the address with your passkey'
    if (!this.#mayTry(address)) return 'too many wrong passkeys from your address'
    if (this.#book.memberOf(passkey) !== undefined) return undefined
    this.#failures.charge(nodeClock.now(), address)
    return 'this passkey is not valid (any more)'
  }

  /** Whose secret that is; undefined for a wrong one. Throws ShoalError `access/too-many-tries`. */
  askerOf(secret: string, address: Uint8Array): Asker | undefined {
    this.#refuseGuesser(address)
    const isOperator = this.#token !== undefined && timingSafeEqual(nodeHash(secret), this.#token)
    const asker = isOperator ? 'operator' : this.#book.memberOf(secret)
    if (asker === undefined) this.#failures.charge(nodeClock.now(), address)
    return asker
  }

  mayInvite(by: Asker): boolean {
    return this.#book.mayInvite(by)
  }

  /** The invite and the secret of its link. Throws ShoalError `access/too-many-invites`. */
  invite(by: Asker, seconds: number, uses: number): { readonly invite: Invite; readonly secret: string } {
    const secret = makeSecret()
    const made = this.#book.invite(Date.now(), by, { id: makeId(), secret, seconds, uses })
    if (!made.ok) throw ShoalError.from(made.error)
    return { invite: made.value, secret }
  }

  /** Those that this one may see. */
  invites(by: Asker): readonly Invite[] {
    const all = this.#book.invites(Date.now())
    return by === 'operator' ? all : all.filter((invite) => invite.by === by.id)
  }

  revokeInvite(id: string, by: Asker): boolean {
    return this.#book.revokeInvite(id, by)
  }

  expel(id: string): boolean {
    return this.#book.expel(id)
  }

  /**
   * Takes one use of an invite, which counts for all processes that share the store, then admits. Throws
   * ShoalError `access/…`, `store/away`.
   */
  async join(
    secret: string,
    name: string,
    address: Uint8Array,
  ): Promise<{ readonly member: Member; readonly passkey: string }> {
    this.#refuseGuesser(address)
    const now = Date.now()
    for (;;) {
      const found = this.#book.inviteOf(now, secret)
      if (!found.ok) {
        if (found.error.code === 'access/bad-invite') this.#failures.charge(nodeClock.now(), address)
        throw ShoalError.from(found.error)
      }
      const { id } = found.value
      const before = await this.#store.get(INVITES, id)
      const change = changeOf('invite', id, before)
      if (change?.kind !== 'invite') throw new ShoalError('access/bad-invite', 'this invite does not read')
      this.#book.take(change)
      if (change.invite === undefined) continue
      const left = afterUse(change.invite)
      if (!(await this.#store.swap(INVITES, id, before, left && bytesOf(left)))) continue
      this.#book.take({ kind: 'invite', id, invite: left })
      return await this.#admit(id, name, now)
    }
  }

  async #admit(invite: string, name: string, joinedAt: number) {
    const passkey = makeSecret()
    const passkeyHash = toHex(nodeHash(passkey))
    const member: Member = { id: makeId(), name, passkeyHash, invite, joinedAt }
    await this.#store.swap(MEMBERS, member.id, undefined, bytesOf(member))
    this.#book.take({ kind: 'member', id: member.id, member })
    return { member, passkey }
  }

  #mayTry(address: Uint8Array): boolean {
    const now = nodeClock.now()
    return this.#failures.readyAt(now, address) === now
  }

  #refuseGuesser(address: Uint8Array): void {
    if (this.#mayTry(address)) return
    throw new ShoalError(
      'access/too-many-tries',
      'too many wrong secrets from your address',
      'Wait a minute, then try the right one.',
    )
  }

  #keep(change: AccessChange): void {
    const [table, value] = change.kind === 'member' ? [MEMBERS, change.member] : [INVITES, change.invite]
    if (value === undefined) this.#store.delete(table, change.id)
    else this.#store.put(table, change.id, bytesOf(value))
  }
}

function makeSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url')
}

function makeId(): string {
  return randomBytes(8).toString('hex')
}

function nodeHash(secret: string): Buffer {
  return Buffer.from(nodeCrypto.sha256(Buffer.from(secret)))
}

/** Of the file, or a new one. Without a file there is none in mode `open`, and else one to be shown. */
function takeToken({ mode, tokenFile }: TrackerAccessOptions): {
  text: string | undefined
  isNew: boolean
} {
  if (tokenFile === undefined)
    return mode === 'open' ? { text: undefined, isNew: false } : { text: makeSecret(), isNew: true }
  try {
    const text = readFileSync(tokenFile, 'utf8').trim()
    if (text.length >= 16) return { text, isNew: false }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw storageError(error, tokenFile)
  }
  const text = makeSecret()
  try {
    writeFileSync(tokenFile, `${text}\n`, { mode: 0o600 })
    chmodSync(tokenFile, 0o600)
  } catch (error) {
    throw storageError(error, tokenFile, true)
  }
  return { text, isNew: false }
}

function bytesOf(value: Member | Invite): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

/** Undefined for what this version does not read. */
function changeOf(
  kind: AccessChange['kind'],
  id: string,
  value: Uint8Array | undefined,
): AccessChange | undefined {
  if (value === undefined)
    return kind === 'member' ? { kind, id, member: undefined } : { kind, id, invite: undefined }
  try {
    const read: unknown = JSON.parse(Buffer.from(value).toString())
    if (typeof read !== 'object' || read === null || !('id' in read) || read.id !== id) return undefined
    return kind === 'member' ? { kind, id, member: read as Member } : { kind, id, invite: read as Invite }
  } catch {
    return undefined
  }
}
