/**
 * Secrets out of texts that people keep and pass on: logs, errors, what they paste when they ask for help
 * (S26). The one place that knows what a secret looks like in an announce address, a link or a header.
 * Invariants: what is no secret stays as it is; redacting twice changes nothing more; the work is linear in
 * the text, which may be what a stranger asked for.
 */

const GONE = '***'

/** Each with the part that is kept before the secret, and after it. */
const SECRETS: readonly RegExp[] = [
  // A passkey as a part of the path: of our trackers, and as most private ones have it.
  /(\/)[\w-]{16,}(\/(?:announce|scrape)\b)/gi,
  // An invite link.
  /(\/join#)[\w-]+()/gi,
  // Credentials before the host.
  /(:\/\/)[^\s/@]+(@)/g,
  // Parameters by their names.
  /([?&;](?:pass_?key|auth_?key|auth|torrent_pass|token|api_?key|key|secret|sig|signature|password|invite)=)[^&#\s"']+()/gi,
  /(\bBearer\s+)[\w.~+/=-]+()/gi,
]

/** Fields that are a secret as a whole, whatever they look like. */
const SECRET_FIELD = /^(?:passkey|token|secret|password|authorization|adminToken)$/i

export function redactText(text: string): string {
  let redacted = text
  for (const secret of SECRETS) redacted = redacted.replace(secret, `$1${GONE}$2`)
  return redacted
}

/** A copy of plain data with every text in it redacted, however deep. */
export function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value !== 'object' || value === null || depth > 16) return value
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1))
  const fields = Object.entries(value).map(([name, field]) => [
    name,
    SECRET_FIELD.test(name) && typeof field === 'string' ? GONE : redactValue(field, depth + 1),
  ])
  return Object.fromEntries(fields)
}
