/** Invites, joining, and members. */
import { Type } from 'typebox'
import type { Asker } from '../nodejs/tracker-access.ts'
import type { Invite } from '../tracker/access.ts'
import { addressOf, askerOf, asProblem, throwAsProblem } from './api-access.ts'
import { ApiProblem } from './api-problem.ts'
import { originOf } from './asker-origin.ts'
import { problems } from './contract.ts'
import { Done, InviteList, InviteMade, Join, Joined, MakeInvite, MemberList } from './contract-access.ts'
import { PublishGuard } from './publish-guard.ts'
import type { RouteModule } from './services.ts'

const ID = Type.Object({ id: Type.String() })

export const accessRoutes: RouteModule = (app, services) => {
  const { access, store, tracker } = services
  const guard = new PublishGuard(services)
  app.post(
    '/api/v1/invites',
    {
      onRequest: guard.check,
      schema: {
        summary: 'make an invite link',
        body: MakeInvite,
        response: { 201: InviteMade, ...problems(400, 401, 403, 429) },
      },
    },
    async (request, reply) => {
      const by = required(askerOf(services, request))
      if (!access.mayInvite(by)) throw notAllowed('in this mode only the operator invites')
      await guard.charge(request, 1)
      const { expiresIn, uses } = request.body
      const { invite, secret } = asProblem(() => access.invite(by, expiresIn, uses))
      await store.flush()
      // Behind the # it is never sent to a server, so it is in no log and no Referer.
      return reply.code(201).send({ ...shown(invite), link: `${originOf(services, request)}/join#${secret}` })
    },
  )
  app.get(
    '/api/v1/invites',
    { schema: { summary: 'open invites that you may see', response: { 200: InviteList, ...problems(401) } } },
    (request) => {
      const by = askerOf(services, request)
      return { invites: by === undefined ? [] : access.invites(by).map(shown) }
    },
  )
  app.delete(
    '/api/v1/invites/:id',
    {
      schema: { summary: 'revoke an invite', params: ID, response: { 200: Done, ...problems(401, 404) } },
    },
    async (request) => {
      const by = required(askerOf(services, request))
      const wasThere = access.revokeInvite(request.params.id, by)
      await store.flush()
      if (wasThere) return { done: true as const }
      throw new ApiProblem(404, 'api/not-found', 'there is no such invite')
    },
  )
  app.post(
    '/api/v1/join',
    {
      schema: {
        summary: 'become a member with an invite',
        body: Join,
        response: { 201: Joined, ...problems(400, 403, 429) },
      },
    },
    async (request, reply) => {
      const { invite, name } = request.body
      const { member, passkey } = await access
        .join(invite, name, addressOf(tracker, request))
        .catch(throwAsProblem)
      await store.flush()
      const announce = `${originOf(services, request)}/${passkey}/announce`
      return reply.code(201).send({ memberId: member.id, passkey, announce })
    },
  )
  app.get(
    '/api/v1/members',
    { schema: { summary: 'members that you may see', response: { 200: MemberList, ...problems(401) } } },
    (request) => {
      const by = askerOf(services, request)
      const seen = by === 'operator' ? access.members : by === undefined ? [] : [by]
      return { members: seen.map(({ id, name, joinedAt }) => ({ id, name, joinedAt })) }
    },
  )
  app.delete(
    '/api/v1/members/:id',
    {
      schema: {
        summary: 'expel a member',
        params: ID,
        response: { 200: Done, ...problems(401, 403, 404) },
      },
    },
    async (request) => {
      operatorOnly(required(askerOf(services, request)))
      const wasThere = access.expel(request.params.id)
      await store.flush()
      if (wasThere) return { done: true as const }
      throw new ApiProblem(404, 'api/not-found', 'there is no such member')
    },
  )
}

function shown({ id, by, madeAt, expiresAt, usesLeft }: Invite) {
  return { id, by, madeAt, expiresAt, usesLeft }
}

function required(asker: Asker | undefined): Asker {
  if (asker !== undefined) return asker
  throw new ApiProblem(401, 'access/members-only', 'say who you are', {
    hint: 'Send your passkey, or the token of the operator, as Authorization: Bearer.',
  })
}

function operatorOnly(asker: Asker): void {
  if (asker !== 'operator') throw notAllowed('that is for the operator')
}

function notAllowed(message: string): ApiProblem {
  return new ApiProblem(403, 'access/not-allowed', message)
}
