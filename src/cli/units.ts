/**
 * Sizes, rates and durations as people write them, and back.
 * Parsing is exact: decimal digits are never put through floating point, and what is not a whole number of
 * bytes (or milliseconds) is refused. Bare numbers are bytes, bytes per second and seconds.
 * Two ways back to text: `exact...` reads in again as the same value; `format...` is rounded, for people.
 */
import { fail, ok, type Result } from '../base/result.ts'

const SIZE_UNITS: Readonly<Record<string, bigint>> = {
  '': 1n,
  b: 1n,
  k: 1000n,
  kb: 1000n,
  m: 1000n ** 2n,
  mb: 1000n ** 2n,
  g: 1000n ** 3n,
  gb: 1000n ** 3n,
  t: 1000n ** 4n,
  tb: 1000n ** 4n,
  kib: 1024n,
  mib: 1024n ** 2n,
  gib: 1024n ** 3n,
  tib: 1024n ** 4n,
}

const DURATION_UNITS_MS: Readonly<Record<string, bigint>> = {
  ms: 1n,
  s: 1000n,
  m: 60_000n,
  min: 60_000n,
  h: 3_600_000n,
  d: 86_400_000n,
}

const NUMBER = /^(\d{1,16})(?:\.(\d{1,9}))?$/

/** `256KiB`, `1.5 MB`, `16384`: whole bytes. */
export function parseSize(text: string): Result<number> {
  const match = /^([\d.]+)\s*([a-z]*)$/i.exec(text.trim())
  const unit = match ? SIZE_UNITS[match[2]!.toLowerCase()] : undefined
  if (!match || unit === undefined) return refuse('a size such as 256KiB, 1MB or 16384')
  return wholeNumber(match[1]!, unit, 'a whole number of bytes')
}

/** `20MB/s`, `512KiB/s`, `20MB`, `65536`: whole bytes per second. */
export function parseRate(text: string): Result<number> {
  const size = parseSize(text.trim().replace(/\/s(ec)?$/i, ''))
  return size.ok || size.error.message !== NOT_A_SIZE ? size : refuse('a rate such as 20MB/s or 512KiB/s')
}

/** `500ms`, `3s`, `1h`, `3m 20s`; a bare number is seconds. Whole milliseconds. */
export function parseDuration(text: string): Result<number> {
  const trimmed = text.trim()
  if (NUMBER.test(trimmed)) return wholeNumber(trimmed, 1000n, 'a whole number of milliseconds')
  const parts = [...trimmed.matchAll(/([\d.]+)\s*([a-z]+)\s*/gi)]
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== trimmed) return refuse(A_DURATION)
  let totalMs = 0
  for (const [, digits, unitName] of parts) {
    const unit = DURATION_UNITS_MS[unitName!.toLowerCase()]
    if (unit === undefined) return refuse(A_DURATION)
    const part = wholeNumber(digits!, unit, 'a whole number of milliseconds')
    if (!part.ok) return part
    totalMs += part.value
  }
  return Number.isSafeInteger(totalMs) ? ok(totalMs) : refuse('smaller')
}

/** Digits only: no sign, no exponent, no `NaN`. */
export function parseCount(text: string): Result<number> {
  const trimmed = text.trim()
  if (!/^\d+$/.test(trimmed)) return refuse('a whole number')
  const value = Number(trimmed)
  return Number.isSafeInteger(value) ? ok(value) : refuse('smaller')
}

const A_DURATION = 'a duration such as 500ms, 3s or 1h'
const NOT_A_SIZE = 'must be a size such as 256KiB, 1MB or 16384'

function refuse(wanted: string): Result<never> {
  return fail('usage/bad-value', `must be ${wanted}`)
}

/** `digits` times `unit`, exactly, or a refusal. */
function wholeNumber(digits: string, unit: bigint, wanted: string): Result<number> {
  const match = NUMBER.exec(digits)
  if (!match) return refuse(wanted)
  const fraction = match[2] ?? ''
  const scale = 10n ** BigInt(fraction.length)
  const scaled = BigInt(match[1]! + fraction) * unit
  if (scaled % scale !== 0n) return refuse(wanted)
  const value = Number(scaled / scale)
  return Number.isSafeInteger(value) ? ok(value) : refuse('smaller')
}

/** `256KiB`, `1MB`, `16385B`: the largest unit that divides it. */
export function exactSize(bytes: number): string {
  const units = ['TiB', 'TB', 'GiB', 'GB', 'MiB', 'MB', 'KiB', 'kB'] as const
  for (const unit of units) {
    const factor = Number(SIZE_UNITS[unit.toLowerCase()]!)
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`
  }
  return `${bytes}B`
}

export function exactRate(bytesPerSecond: number): string {
  return `${exactSize(bytesPerSecond)}/s`
}

export function exactDuration(milliseconds: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const factor = Number(DURATION_UNITS_MS[unit]!)
    if (milliseconds >= factor && milliseconds % factor === 0) return `${milliseconds / factor}${unit}`
  }
  return `${milliseconds}ms`
}

/** Decimal, three digits: `873 B`, `3.1 MB`, `40.2 GB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let value = Math.max(0, bytes)
  let unit = 0
  while (unit < units.length - 1 && value >= (unit === 0 ? 1000 : 999.95)) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`
}

/** Two units at most: `0.4s`, `12s`, `3m 20s`, `1h 4m`, `2d 3h`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '-'
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole}s`
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)}h ${minutes % 60}m`
  return `${Math.floor(minutes / (24 * 60))}d ${Math.floor(minutes / 60) % 24}h`
}

/** `1 peer`, `5 peers`. */
export function formatCount(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`
}
