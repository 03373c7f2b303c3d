/** What operating-system, name-service and TLS errors mean to somebody whose tracker does not answer. */
import type { TrackerFault } from '../wire/tracker-announce.ts'

const REASONS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ECONNREFUSED: [
    'refuses connections',
    'Check that the tracker is running and that host and port are right.',
  ],
  ECONNRESET: [
    'broke the connection',
    'Check that host and port are those of a tracker; it may be restarting.',
  ],
  ENOTFOUND: ['has a name that does not exist', 'Check the spelling of the host name.'],
  EAI_AGAIN: ['has a name that cannot be looked up now', 'Check the network connection and its name server.'],
  ENETUNREACH: ['is in a network that cannot be reached', 'Check the network connection.'],
  EHOSTUNREACH: ['cannot be reached', 'Check the network connection and that the host is up.'],
  EADDRNOTAVAIL: [
    'cannot be reached from the chosen source address',
    'Give --host an address of this machine.',
  ],
  EINVAL: ['cannot be reached from the chosen source address', 'Give --host an address of the same network.'],
}

/**
 * @param where host and port; never the whole URL, which may carry a passkey (S26)
 * @param who what is to be found there
 */
export function unreachable(where: string, error: NodeJS.ErrnoException, who = 'the tracker'): TrackerFault {
  const code = error.code ?? ''
  if (/CERT|TLS|SSL|SIGNATURE|ISSUER/.test(code))
    return {
      code: 'tracker/unreachable',
      message: `${who} ${where} has no valid certificate (${code})`,
      hint: 'Check the host name and the clock of this machine; an invalid certificate is never accepted.',
    }
  const [what, hint] = REASONS[code] ?? [
    `cannot be reached (${code === '' ? error.message : code})`,
    'Check the address and the network connection.',
  ]
  return { code: 'tracker/unreachable', message: `${who} ${where} ${what}`, hint }
}

export function timedOut(where: string, waitedMs: number): TrackerFault {
  return {
    code: 'tracker/timeout',
    message: `the tracker ${where} has not answered for ${Math.round(waitedMs / 100) / 10} s`,
    hint: 'Check the address; the tracker may be down or overloaded.',
  }
}
