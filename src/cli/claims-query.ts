/**
 * Asking another peer about chunk positions of a payload string, as the command `ask` and the console word of
 * a running peer do it.
 */
import { fromHex } from '../base/bytes.ts'
import { isPayloadId } from '../catalog/payload.ts'
import { askPeer } from '../nodejs/service-client.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import {
  CLAIMS_EXTENSION,
  type Claim,
  type ClaimsRefusal,
  decodeClaimsReply,
  encodeClaimsQuery,
} from '../wire/claims-messages.ts'
import type { CommandContext } from './command-context.ts'
import { peerNamed } from './peer-address.ts'

const REFUSALS: Readonly<Record<ClaimsRefusal, string>> = {
  corrupted: 'the peer could not read the query',
  'too-many-claims': 'the payload has fewer chunks than there are claims',
  busy: 'the peer is busy with other queries',
}

export interface ClaimsQuestion {
  /** `HOST:PORT`. */
  readonly peer: string
  /** Of the payload. */
  readonly id: string
  /** Each `POSITION:CHUNK`. */
  readonly claims: readonly string[]
}

/** Throws ShoalError `usage/…`, `service/…`, `payload/…`. Tells `asked`. */
export async function askClaims(
  { settings, output }: Pick<CommandContext, 'settings' | 'output'>,
  question: ClaimsQuestion,
): Promise<void> {
  const { peer } = question
  const id = question.id.toLowerCase()
  if (!isPayloadId(id))
    throw new ShoalError(
      'usage/bad-option',
      id === '' ? '--payload is missing' : 'that is no payload id',
      'It has 64 hex digits, as `shoal payload put` prints them.',
    )
  const claims = question.claims.map(parseClaim)
  const body = encodeClaimsQuery({ payload: fromHex(id)!, claims })
  const answer = await askPeer(
    await peerNamed(peer),
    { extension: CLAIMS_EXTENSION, body },
    {
      timeoutMs: settings.handshakeTimeout,
      localAddress: settings.host === 'all' ? undefined : settings.host,
      encryption: settings.encryption,
    },
  )
  const reply = decodeClaimsReply(answer.body)
  if (!reply.ok) throw ShoalError.from(reply.error)
  if (reply.value.kind === 'refused')
    throw new ShoalError(
      'payload/claims-refused',
      `${REFUSALS[reply.value.reason]} (${reply.value.reason})`,
      'Ask about fewer chunks, or later.',
    )
  const { isHeld, results } = reply.value
  const rows = claims.map(({ position, chunk }, i) => ({
    position,
    chunk: new TextDecoder().decode(chunk),
    result: results[i] === true,
  }))
  if (isHeld) for (const { position, result } of rows) output.text(`pos ${position} ${result}`)
  output.event(
    {
      event: 'asked',
      peer,
      peerId: answer.peerId,
      payloadId: id,
      chunkAvailable: isHeld,
      results: isHeld ? rows.map(({ result }) => result) : [],
      claims: isHeld ? rows : [],
    },
    '',
  )
  if (!isHeld)
    throw new ShoalError(
      'payload/not-held',
      'peer does not hold this payload',
      'Ask one that printed `holding`, or fetch it: `shoal payload get`.',
    )
}

/** `0:asda`: a position and the chunk that is said to stand there. */
function parseClaim(text: string): Claim {
  const match = /^([+-]?\d+):(.*)$/su.exec(text)
  if (match === null)
    throw new ShoalError('usage/bad-option', `--claim ${text} is no claim`, 'For example --claim 0:asda')
  const position = Number(match[1])
  // No chunk stands so far out either way; the answer is the same.
  const most = Number.MAX_SAFE_INTEGER
  return {
    position: Math.max(-most, Math.min(most, position)),
    chunk: new TextEncoder().encode(match[2]),
  }
}
