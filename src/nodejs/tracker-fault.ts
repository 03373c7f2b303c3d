/** What operating-system, name-service and TLS errors mean to somebody whose tracker does not answer. */
import type { TrackerFault } from '../wire/tracker-announce.ts'

const PRIVATE_AUTHORITY =
  'A private authority is trusted when NODE_EXTRA_CA_CERTS names the file with its certificate (PEM).'

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

/** What is wrong with a certificate. It is never accepted, whatever the environment says (S41). */
const CERTIFICATES: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  CERT_HAS_EXPIRED: [
    'has a certificate that has expired',
    'Tell its operator, and check the clock of this machine.',
  ],
  CERT_NOT_YET_VALID: ['has a certificate that is not valid yet', 'Check the clock of this machine.'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'has a certificate for another host',
    'Check the host name; somebody may be posing as the tracker.',
  ],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['has a certificate that it signed itself', PRIVATE_AUTHORITY],
  SELF_SIGNED_CERT_IN_CHAIN: ['has a certificate of an authority that is not known here', PRIVATE_AUTHORITY],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'has a certificate of an authority that is not known here',
    PRIVATE_AUTHORITY,
  ],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [
    'has a certificate of an authority that is not known here',
    PRIVATE_AUTHORITY,
  ],
  ERR_SSL_WRONG_VERSION_NUMBER: ['does not speak TLS', 'Check the port; the address may have to be http://.'],
  EPROTO: ['does not speak TLS', 'Check the port; the address may have to be http://.'],
}

function untrusted(where: string, code: string, who: string): TrackerFault {
  const [what, hint] = CERTIFICATES[code] ?? ['has no valid certificate', 'Tell its operator.']
  return { code: 'tracker/bad-certificate', message: `${who} ${where} ${what} (${code})`, hint }
}

/**
 * @param where host and port; never the whole URL, which may carry a passkey (S26)
 * @param who what is to be found there
 */
export function unreachable(where: string, error: NodeJS.ErrnoException, who = 'the tracker'): TrackerFault {
  const code = error.code ?? ''
  if (/CERT|TLS|SSL|SIGNATURE|ISSUER|EPROTO/.test(code)) return untrusted(where, code, who)
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
