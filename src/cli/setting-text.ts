/** The value of a setting as text: as a user would write it, and as other programs read it. */
import { type HostPort, type Kind, LOG_CATEGORIES, type Verbosity } from './setting-kinds.ts'
import { exactDuration, exactRate, exactSize } from './units.ts'

/** As the user would write it; an empty list is empty text. */
export function settingText(kind: Kind<unknown>, value: unknown): string {
  if (typeof value === 'number') {
    if (kind.type === 'size') return exactSize(value)
    if (kind.type === 'rate') return exactRate(value)
    if (kind.type === 'duration') return exactDuration(value)
  }
  const plain = plainSetting(kind, value)
  return Array.isArray(plain) ? plain.join(' ') : String(plain)
}

/** As JSON: bytes, bytes per second, seconds, words, lists of text. */
export function plainSetting(kind: Kind<unknown>, value: unknown): unknown {
  if (kind.type === 'duration' && typeof value === 'number') return value / 1000
  if (kind.type === 'endpoints') return (value as readonly HostPort[]).map(formatHostPort)
  if (kind.type === 'verbosity') {
    const levels = value as Verbosity
    return LOG_CATEGORIES.filter((category) => levels[category] > 0).map(
      (category) => `${category}=${levels[category]}`,
    )
  }
  return value
}

export function formatHostPort({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
