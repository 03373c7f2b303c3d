/**
 * A validating schema for every kind of setting. Input is what a flag, a variable or a JSON file can
 * hold: text, numbers, booleans and lists of them. An issue's message continues the sentence that
 * begins with the setting's name:
 * `--piece-length` + `must be >= 16KiB`.
 */
import { isIP } from 'node:net'
import { z } from 'zod'
import { ok, type Result } from '../base/result.ts'
import { type HostPort, type Kind, LOG_CATEGORIES, type Verbosity } from './setting-kinds.ts'
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

const scalar = z.union([z.string(), z.number(), z.boolean()], 'must be one value')
const list = z.union(
  [scalar.transform((item) => [item]), z.array(scalar)],
  'must be a value or a list of values',
)

export function schemaOf(kind: Kind<unknown>): z.ZodType<unknown> {
  switch (kind.type) {
    case 'switch':
      return scalar.transform((raw, context) => {
        const word = String(raw).toLowerCase()
        if (TRUE.has(word) || FALSE.has(word)) return TRUE.has(word)
        return refuse(context, 'must be true or false')
      })
    case 'count':
      return measured(kind, parseCount, String)
    case 'size':
      return measured(kind, parseSize, exactSize)
    case 'rate':
      return measured(kind, parseRate, exactRate)
    case 'duration':
      return measured(kind, parseDuration, exactDuration)
    case 'choice':
      return text((raw, context) =>
        kind.choices!.includes(raw) ? raw : refuse(context, `must be one of ${kind.choices!.join(', ')}`),
      )
    case 'address':
      return text((raw, context) => {
        if (kind.words?.includes(raw)) return raw
        return isIP(raw) !== 0
          ? raw
          : refuse(context, 'must be a numeric IP address such as 127.0.0.1 or ::1')
      })
    case 'path':
      return text((raw, context) => {
        if (kind.words?.includes(raw)) return raw
        if (raw === '' || raw.includes('\0')) return refuse(context, 'must be a path')
        return raw.startsWith('-')
          ? refuse(context, `must be a path; write ./${raw} for one that begins with -`)
          : raw
      })
    case 'text':
      return text((raw, context) => (raw === '' ? refuse(context, 'must not be empty') : raw))
    case 'urls':
      return list.transform((raw, context) => everyItem(raw, context, parseTrackerUrl))
    case 'endpoints':
      return list.transform((raw, context) => everyItem(raw, context, parseHostPort))
    case 'verbosity':
      return list.transform(parseVerbosity)
  }
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

const ITEM_SHAPES = new Map<unknown, string>([
  [parseTrackerUrl, 'must be a tracker address such as http://127.0.0.1:6969 or udp://127.0.0.1:6969'],
  [parseHostPort, 'must be HOST:PORT such as 127.0.0.1:6881 or [::1]:6881'],
])

type Scalar = z.output<typeof scalar>

function everyItem<T>(
  raw: readonly Scalar[],
  context: z.RefinementCtx,
  parse: (text: string) => T | undefined,
): T[] {
  const items: T[] = []
  for (const item of raw) {
    const parsed = parse(String(item))
    if (parsed === undefined) return refuse(context, ITEM_SHAPES.get(parse)!)
    items.push(parsed)
  }
  return items
}

/** `tracker`, `fetch=2`: a category alone is level 1. */
function parseVerbosity(raw: readonly Scalar[], context: z.RefinementCtx): Verbosity {
  const levels = { tracker: 0, serve: 0, fetch: 0 }
  for (const item of raw) {
    const [name, level = '1', ...rest] = String(item).split('=')
    const category = LOG_CATEGORIES.find((known) => known === name)
    if (category === undefined || rest.length > 0 || !/^[012]$/.test(level))
      return refuse(context, `must be one of ${LOG_CATEGORIES.join(', ')}, with =1 or =2`)
    levels[category] = Number(level)
  }
  return levels
}

/** A number with a unit, in the kind's range, or the kind's word. */
function measured(
  kind: Kind<unknown>,
  parse: (text: string) => Result<number>,
  show: (value: number) => string,
): z.ZodType<unknown> {
  const { words = [], min = 0, max = Number.MAX_SAFE_INTEGER } = kind
  const orWords = words.length > 0 ? ` (or ${words.join(', ')})` : ''
  return text((raw, context) => {
    if (words.includes(raw)) return raw
    const parsed = raw === '' ? undefined : numberOr(raw, parse)
    if (!parsed?.ok) return refuse(context, `${parsed?.error.message ?? 'must not be empty'}${orWords}`)
    if (parsed.value < min) return refuse(context, `must be >= ${show(min)}${orWords}`)
    if (parsed.value > max) return refuse(context, `must be <= ${show(max)}${orWords}`)
    return parsed.value
  })
}

/** A negative number is told that it is too small, not that it is no number. */
function numberOr(raw: string, parse: (text: string) => Result<number>): Result<number> {
  return /^-[\d.]/.test(raw) && parse(raw.slice(1)).ok ? ok(-1) : parse(raw)
}

function text(parse: (raw: string, context: z.RefinementCtx) => unknown): z.ZodType<unknown> {
  return scalar.transform((raw, context) => parse(String(raw), context))
}

function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: 'custom', message })
  return z.NEVER
}
