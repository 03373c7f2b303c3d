/** `shoal invite`: makes, lists and revokes invite links of a tracker. */
import { readFileSync } from 'node:fs'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { storageError } from '../nodejs/storage-error.ts'
import type { CommandContext } from './command-context.ts'
import { LOCAL_TRACKER } from './settings.ts'
import { TrackerClient } from './tracker-client.ts'

interface InviteOptions {
  readonly expires?: number
  readonly uses?: number
  readonly list?: boolean
  readonly revoke?: boolean
}

export async function run({ args, options, settings, output }: CommandContext): Promise<number> {
  const { expires, uses, list = false, revoke = false } = options as InviteOptions
  const url = settings.tracker.find((named) => /^https?:/.test(named)) ?? LOCAL_TRACKER
  const tracker = new TrackerClient(url, settings.trackerTimeout)
  const token = settings.tokenFile === 'auto' ? undefined : readToken(settings.tokenFile)
  const [id] = args
  if (revoke !== (id !== undefined))
    throw new ShoalError('usage/bad-usage', '--revoke and ID belong together', 'shoal invite --revoke ID')
  if (id !== undefined) {
    await tracker.must({ method: 'DELETE', path: `/invites/${encodeURIComponent(id)}`, token })
    output.event({ event: 'invite-revoked', id }, `revoked ${id}`)
    return 0
  }
  if (list) {
    const { body } = await tracker.must({ method: 'GET', path: '/invites', token })
    for (const invite of Array.isArray(body.invites) ? body.invites : [])
      output.event(
        { event: 'invite', ...invite },
        `${invite.id} until ${until(invite)}, ${invite.usesLeft} left`,
      )
    return 0
  }
  const body = {
    ...(expires !== undefined && { expiresIn: Math.round(expires / 1000) }),
    ...(uses !== undefined && { uses }),
  }
  const { body: made } = await tracker.must({ method: 'POST', path: '/invites', body, token })
  output.text(`send this link, good until ${until(made)}:`)
  output.event({ event: 'invited', ...made }, String(made.link))
  return 0
}

function until({ expiresAt }: Readonly<Record<string, unknown>>): string {
  return new Date(Number(expiresAt)).toISOString()
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw storageError(error, path)
  }
}
