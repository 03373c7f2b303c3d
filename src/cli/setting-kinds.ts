/**
 * What kinds of value a setting can have, as data, each carrying its TypeScript type.
 * A kind may know one word beside its numbers (`auto`, `off`, `all`); the value is then that word itself, so
 * no number has a secret meaning. `setting-parser.ts` reads values of every kind.
 */

export type KindType =
  | 'switch'
  | 'count'
  | 'size'
  | 'rate'
  | 'duration'
  | 'choice'
  | 'path'
  | 'text'
  | 'address'
  | 'addresses'
  | 'urls'
  | 'endpoints'
  | 'names'
  | 'origins'
  | 'keys'
  | 'verbosity'

export interface Kind<T> {
  readonly type: KindType
  /** What stands for the value in `--help`. */
  readonly placeholder: string
  /** Words accepted instead of a value. */
  readonly words?: readonly string[]
  readonly min?: number
  readonly max?: number
  readonly choices?: readonly string[]
  /** Never present; carries the type of the value. */
  readonly __value?: T
}

interface Range {
  readonly min?: number
  readonly max?: number
}

/** `HOST:PORT`; the host is a name or a numeric address, v6 without brackets. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

export const LOG_CATEGORIES = ['tracker', 'serve', 'fetch'] as const
export type LogCategory = (typeof LOG_CATEGORIES)[number]

/** 0 quiet, 1 every message, 2 every request and block as well. */
export type Verbosity = Readonly<Record<LogCategory, number>>

export const SWITCH: Kind<boolean> = { type: 'switch', placeholder: '' }
export const PATH: Kind<string> = { type: 'path', placeholder: 'PATH' }
/** Any text but an empty one. */
export const TEXT: Kind<string> = { type: 'text', placeholder: 'TEXT' }
export const URLS: Kind<readonly string[]> = { type: 'urls', placeholder: 'URL' }
export const ENDPOINTS: Kind<readonly HostPort[]> = { type: 'endpoints', placeholder: 'HOST:PORT' }
/** Names of hosts. */
export const HOST_NAMES: Kind<readonly string[]> = { type: 'names', placeholder: 'NAME' }
/** Of web pages: `https://example.org`. */
export const ORIGINS: Kind<readonly string[]> = { type: 'origins', placeholder: 'ORIGIN' }
/** Public keys of publishers, in hex. */
export const KEYS: Kind<readonly string[]> = { type: 'keys', placeholder: 'KEY' }
export const VERBOSITY: Kind<Verbosity> = { type: 'verbosity', placeholder: 'CATEGORY[=LEVEL]' }

export function count(range: Range): Kind<number> {
  return { type: 'count', placeholder: 'N', ...range }
}

/** Bytes. */
export function size(range: Range): Kind<number> {
  return { type: 'size', placeholder: 'SIZE', ...range }
}

/** Bytes per second. */
export function rate(range: Range): Kind<number> {
  return { type: 'rate', placeholder: 'RATE', ...range }
}

/** Milliseconds. */
export function duration(range: Range): Kind<number> {
  return { type: 'duration', placeholder: 'TIME', ...range }
}

/** A numeric IP address. */
export const ADDRESS: Kind<string> = { type: 'address', placeholder: 'ADDRESS' }

export const ADDRESSES: Kind<readonly string[]> = { type: 'addresses', placeholder: 'ADDRESS' }

/** @param placeholder what stands for the choice in `--help` */
export function choice<const W extends string>(placeholder: string, ...choices: readonly W[]): Kind<W> {
  return { type: 'choice', placeholder, choices }
}

/** The same kind, or the word. */
export function orWord<T, const W extends string>(kind: Kind<T>, word: W): Kind<T | W> {
  return {
    ...kind,
    words: [...(kind.words ?? []), word],
    placeholder: `${kind.placeholder}|${word}`,
  } as Kind<T | W>
}

/** True for kinds whose flag may be given more than once. */
export function isListKind(kind: Kind<unknown>): boolean {
  return ['urls', 'addresses', 'endpoints', 'names', 'origins', 'keys', 'verbosity'].includes(kind.type)
}
