/** Members and invites over the API. Secrets stand in the answer to whoever made them, and nowhere else. */
import { type Static, Type } from 'typebox'
import { LIMITS } from '../base/limits.ts'
import { exact, preset } from './contract.ts'

const DAY = 86_400

export const MakeInvite = exact({
  /** Seconds; a week by default. */
  expiresIn: preset(Type.Integer({ minimum: 1, maximum: 90 * DAY, default: 7 * DAY })),
  /** How many may join with it. */
  uses: preset(Type.Integer({ minimum: 1, maximum: 1000, default: 1 })),
})

const INVITE = {
  id: Type.String(),
  /** Id of the member who made it; null for the operator. */
  by: Type.Union([Type.String(), Type.Null()]),
  madeAt: Type.Integer(),
  expiresAt: Type.Integer(),
  usesLeft: Type.Integer(),
}
export const InviteRow = Type.Object(INVITE)
export const InviteMade = Type.Object({ ...INVITE, link: Type.String() })
export type InviteMade = Static<typeof InviteMade>
export const InviteList = Type.Object({ invites: Type.Array(InviteRow) })

export const Join = exact({
  /** What stands behind `#` in the link. */
  invite: Type.String({ minLength: 1, maxLength: LIMITS.apiParameterMax.value }),
  name: preset(Type.String({ maxLength: 64, default: '' })),
})
export const Joined = Type.Object({
  memberId: Type.String(),
  passkey: Type.String(),
  /** The address to announce to. */
  announce: Type.String(),
})
export type Joined = Static<typeof Joined>

export const MemberRow = Type.Object({ id: Type.String(), name: Type.String(), joinedAt: Type.Integer() })
export const MemberList = Type.Object({ members: Type.Array(MemberRow) })
export const Done = Type.Object({ done: Type.Literal(true) })
