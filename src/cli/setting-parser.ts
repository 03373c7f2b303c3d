/**
 * Values of settings from what a flag, a variable or a JSON file can hold: text, numbers, booleans and lists
 * of them. A fault's message continues the sentence that begins with the setting's name:
 * `--piece-length` + `must be >= 16KiB`.
 * No schema library: loading one takes longer than everything else before a command runs.
 */
import { isIP } from 'node:net'
import { fail, ok, type Result } from '../base/result.ts'
import { type HostPort, isListKind, type Kind, LOG_CATEGORIES, type Verbosity } from './setting-kinds.ts'
import {
  exactDuration,
  exactRate,
  exactSize,
  parseCount,
  parseDuration,
  parseRate,
  parseSize,
} from './units.ts'

const TRUE = new Set(['true', 'yes', 'on', '1'])
const FALSE = new Set(['false', 'no', 'off', '0'])

/** The value, or `usage/bad-setting`. */
export function parseSetting(kind: Kind<unknown>, raw: unknown): Result<unknown> {
  if (isListKind(kind)) {
    const items = Array.isArray(raw) ? raw : [raw]
    return items.every(isScalar)
      ? parseList(kind, items.map(String))
      : refuse('must be a value or a list of values')
  }
  return isScalar(raw) ? parseText(kind, String(raw)) : refuse('must be one value')
}

function isScalar(raw: unknown): boolean {
  return typeof raw === 'string' || typeof raw === 'number' || typeof raw === 'boolean'
}

function parseText(kind: Kind<unknown>, raw: string): Result<unknown> {
  if (kind.words?.includes(raw)) return ok(raw)
  switch (kind.type) {
    case 'switch': {
      const word = raw.toLowerCase()
      return TRUE.has(word) || FALSE.has(word) ? ok(TRUE.has(word)) : refuse('must be true or false')
    }
    case 'count':
      return measured(kind, raw, parseCount, String)
    case 'size':
      return measured(kind, raw, parseSize, exactSize)
    case 'rate':
      return measured(kind, raw, parseRate, exactRate)
    case 'duration':
      return measured(kind, raw, parseDuration, exactDuration)
    case 'choice':
      return kind.choices!.includes(raw) ? ok(raw) : refuse(`must be one of ${kind.choices!.join(', ')}`)
    case 'address':
      return isIP(raw) === 0 ? refuse('must be a numeric IP address such as 127.0.0.1 or ::1') : ok(raw)
    case 'path':
      if (raw === '' || raw.includes('\0')) return refuse('must be a path')
      return raw.startsWith('-')
        ? refuse(`must be a path; write ./${raw} for one that begins with -`)
        : ok(raw)
    default:
      return raw === '' ? refuse('must not be empty') : ok(raw)
  }
}

function parseList(kind: Kind<unknown>, items: readonly string[]): Result<unknown> {
  switch (kind.type) {
    case 'urls':
      return everyItem(
        items,
        parseTrackerUrl,
        'must be a tracker address such as http://127.0.0.1:6969 or udp://127.0.0.1:6969',
      )
    case 'addresses':
      return everyItem(items, parseIp, 'must be a numeric IP address such as 127.0.0.1 or ::1')
    case 'endpoints':
      return everyItem(items, parseHostPort, 'must be HOST:PORT such as 127.0.0.1:6881 or [::1]:6881')
    case 'names':
      return everyItem(items, parseHostName, 'must be a name such as tracker.example.org')
    case 'keys':
      return everyItem(items, parseKey, 'must be the key of a publisher, 64 hex digits')
    case 'origins':
      return everyItem(items, parseOrigin, 'must be an origin such as https://example.org')
    default:
      return parseVerbosity(items)
  }
}

function parseIp(text: string): string | undefined {
  return isIP(text) === 0 ? undefined : text
}

function parseHostName(text: string): string | undefined {
  return /^[a-z0-9]([a-z0-9._-]{0,252})$/i.test(text) ? text.toLowerCase() : undefined
}

function parseKey(text: string): string | undefined {
  return /^[0-9a-f]{64}$/i.test(text) ? text.toLowerCase() : undefined
}

function parseOrigin(text: string): string | undefined {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return undefined
  const { origin, href } = new URL(text)
  return href === `${origin}/` ? origin : undefined
}

/** `127.0.0.1:6881`, `[::1]:6881`, `seed.example:6881`. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^\s:[\]/@]+)):(\d{1,5})$/i.exec(text)
  if (!match) return undefined
  const host = match[1] ?? match[2]!
  const port = Number(match[3])
  const isNamed = match[1] === undefined
  if (port < 1 || port > 65_535 || (isNamed ? /^-/.test(host) : isIP(host) !== 6)) return undefined
  return { host, port }
}

/** `http://host:6969` means its `/announce`; anything but http, https and udp is refused. */
export function parseTrackerUrl(text: string): string | undefined {
  if (!/^(https?|udp):\/\//i.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.hostname === '' || (url.protocol === 'udp:' && url.port === '')) return undefined
  if (url.protocol !== 'udp:' && url.pathname === '/' && url.search === '') url.pathname = '/announce'
  return url.href
}

function everyItem<T>(
  items: readonly string[],
  parse: (text: string) => T | undefined,
  shape: string,
): Result<T[]> {
  const parsed: T[] = []
  for (const item of items) {
    const value = parse(item)
    if (value === undefined) return refuse(shape)
    parsed.push(value)
  }
  return ok(parsed)
}

/** `tracker`, `fetch=2`: a category alone is level 1. */
function parseVerbosity(items: readonly string[]): Result<Verbosity> {
  const levels = { tracker: 0, serve: 0, fetch: 0 }
  for (const item of items) {
    const [name, level = '1', ...rest] = item.split('=')
    const category = LOG_CATEGORIES.find((known) => known === name)
    if (category === undefined || rest.length > 0 || !/^[012]$/.test(level))
      return refuse(`must be one of ${LOG_CATEGORIES.join(', ')}, with =1 or =2`)
    levels[category] = Number(level)
  }
  return ok(levels)
}

/** A number with a unit, in the kind's range. */
function measured(
  kind: Kind<unknown>,
  raw: string,
  parse: (text: string) => Result<number>,
  show: (value: number) => string,
): Result<number> {
  const { words = [], min = 0, max = Number.MAX_SAFE_INTEGER } = kind
  const orWords = words.length > 0 ? ` (or ${words.join(', ')})` : ''
  const parsed = raw === '' ? undefined : numberOr(raw, parse)
  if (!parsed?.ok) return refuse(`${parsed?.error.message ?? 'must not be empty'}${orWords}`)
  if (parsed.value < min) return refuse(`must be >= ${show(min)}${orWords}`)
  if (parsed.value > max) return refuse(`must be <= ${show(max)}${orWords}`)
  return parsed
}

/** A negative number is told that it is too small, not that it is no number. */
function numberOr(raw: string, parse: (text: string) => Result<number>): Result<number> {
  return /^-[\d.]/.test(raw) && parse(raw.slice(1)).ok ? ok(-1) : parse(raw)
}

function refuse(message: string): ReturnType<typeof fail> {
  return fail('usage/bad-setting', message)
}
