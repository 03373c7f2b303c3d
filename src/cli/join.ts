/** `shoal join`: becomes a member of a tracker with an invite link. */
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { CommandContext } from './command-context.ts'
import { TrackerClient } from './tracker-client.ts'

export async function run({ args, options, settings, output }: CommandContext): Promise<number> {
  const { name = '' } = options as { readonly name?: string }
  const link = /^(https?:\/\/[^/#\s]+)\/join#([\w-]+)$/i.exec(args[0]!)
  if (link === null)
    throw new ShoalError(
      'usage/bad-usage',
      'that is no invite link',
      // Without a word behind the #, which would be taken for a secret and made unreadable.
      'It looks like http://tracker.example:6969/join#…',
    )
  const tracker = new TrackerClient(link[1]!, settings.trackerTimeout)
  const { body } = await tracker.must({ method: 'POST', path: '/join', body: { invite: link[2], name } })
  output.text('announce to this address; it is your key, keep it for yourself:')
  output.event({ event: 'joined', memberId: body.memberId, announce: body.announce }, String(body.announce))
  return 0
}
