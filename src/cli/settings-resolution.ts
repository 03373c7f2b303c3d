/**
 * From the table to values: for every setting the first of flag, environment, configuration file, profile and
 * default, validated in the same way wherever it comes from, and remembered together with where that was.
 * Combinations that contradict one another are refused here, in one line.
 */

import { ShoalError } from '../nodejs/shoal-error.ts'
import { PROFILES } from '../profiles.ts'
import { closest } from './closest-word.ts'
import type { ConfigFile, Environment } from './config-file.ts'
import { isListKind, type Kind } from './setting-kinds.ts'
import { parseSetting } from './setting-parser.ts'
import {
  SETTING_NAMES,
  type SettingName,
  type Settings,
  settingFlag,
  settingKey,
  settingOf,
  settingVariable,
} from './settings.ts'

export type Origin = 'flag' | 'environment' | 'file' | 'profile' | 'default'

export interface ResolvedSetting {
  readonly name: SettingName
  readonly value: unknown
  readonly origin: Origin
  /** What to look at to change it: the flag, the variable, the file, the profile; empty for a default. */
  readonly source: string
}

export interface SettingSources {
  /** As commander parsed them: text, lists of text, booleans. */
  readonly flags: Readonly<Partial<Record<SettingName, unknown>>>
  readonly environment: Environment
  readonly file: ConfigFile
}

export interface Resolution {
  readonly settings: Settings
  readonly resolved: readonly ResolvedSetting[]
}

/** Throws `usage/bad-setting`, `usage/unknown-setting` or `usage/contradiction`. */
export function resolveSettings(sources: SettingSources): Resolution {
  refuseUnknownKeys(sources.file)
  const profile = resolveOne('profile', sources, undefined).value as Settings['profile']
  const resolved = SETTING_NAMES.map((name) => resolveOne(name, sources, profile))
  const settings = Object.fromEntries(resolved.map(({ name, value }) => [name, value])) as unknown as Settings
  refuseContradictions(settings, resolved)
  return { settings, resolved }
}

function resolveOne(
  name: SettingName,
  sources: SettingSources,
  profile: Settings['profile'] | undefined,
): ResolvedSetting {
  const { kind, default: fallback } = settingOf(name)
  const flag = sources.flags[name]
  if (flag !== undefined) {
    const source = settingFlag(name)
    return { name, value: validated(kind, flag, source), origin: 'flag', source }
  }
  const variable = settingVariable(name)
  const text = sources.environment[variable]
  if (text !== undefined && text !== '') {
    const raw = isListKind(kind) ? text.split(/[\s,]+/).filter((item) => item !== '') : text
    return { name, value: validated(kind, raw, variable), origin: 'environment', source: variable }
  }
  const key = settingKey(name)
  if (Object.hasOwn(sources.file.values, key)) {
    const source = sources.file.path
    return {
      name,
      value: validated(kind, sources.file.values[key], `${source}: ${key}`),
      origin: 'file',
      source,
    }
  }
  const preset = profile && PROFILES[profile].settings[name as Exclude<SettingName, 'profile'>]
  if (preset !== undefined) return { name, value: preset, origin: 'profile', source: profile! }
  return { name, value: fallback, origin: 'default', source: '' }
}

function validated(kind: Kind<unknown>, raw: unknown, where: string): unknown {
  const result = parseSetting(kind, raw)
  if (result.ok) return result.value
  throw new ShoalError(
    'usage/bad-setting',
    `${where} ${result.error.message}`,
    '`shoal config` lists every setting with its value and unit.',
  )
}

function refuseUnknownKeys(file: ConfigFile): void {
  const keys = SETTING_NAMES.map(settingKey)
  for (const key of Object.keys(file.values)) {
    if (keys.includes(key)) continue
    const guess = closest(key, keys)
    throw new ShoalError(
      'usage/unknown-setting',
      `${file.path}: there is no setting ${JSON.stringify(key)}`,
      guess ? `Did you mean ${guess}?` : '`shoal config` lists every setting.',
    )
  }
}

/** Variables beside those of settings. */
const OTHER_VARIABLES = ['SHOAL_CONFIG', 'SHOAL_DEBUG']

/** `SHOAL_…` variables that nothing reads, likely misspelt. */
export function unknownVariables(environment: Environment): { name: string; guess: string | undefined }[] {
  const known = [...SETTING_NAMES.map(settingVariable), ...OTHER_VARIABLES]
  return Object.keys(environment)
    .filter((name) => name.startsWith('SHOAL_') && !known.includes(name))
    .map((name) => ({ name, guess: closest(name, known) }))
}

/**
 * A rule names the settings it is about, so that a contradiction with a default or a
 * profile is not blamed on the user.
 */
function refuseContradictions(settings: Settings, resolved: readonly ResolvedSetting[]): void {
  const isChosen = (name: SettingName): boolean => {
    const origin = resolved.find((entry) => entry.name === name)!.origin
    return origin === 'flag' || origin === 'environment' || origin === 'file'
  }
  const { pieceLength, format, align } = settings
  const isPowerOfTwo = pieceLength === 'auto' || Number.isInteger(Math.log2(pieceLength))
  const rules: readonly (readonly [isBroken: boolean, message: string, hint: string])[] = [
    [
      !settings.useTracker && isChosen('tracker') && isChosen('useTracker'),
      '--tracker and --no-tracker contradict one another',
      'Leave one of them out.',
    ],
    [
      !settings.useTracker && settings.requireTracker,
      '--require-tracker and --no-tracker contradict one another',
      'Leave one of them out.',
    ],
    [
      !isPowerOfTwo && (format === 'v2' || format === 'hybrid'),
      `--piece-length must be a power of two in format ${format}`,
      'Use a power of two such as 256KiB, or --format v1.',
    ],
    [
      align && format === 'v2' && isChosen('align'),
      '--align and --format v2 contradict one another',
      'Format v2 always starts files at a piece boundary; leave --align out.',
    ],
    [
      settings.oneAtATime && settings.uploadSlots > 1 && isChosen('uploadSlots'),
      '--one-at-a-time and --upload-slots contradict one another',
      'One at a time means one upload slot; leave --upload-slots out.',
    ],
  ]
  for (const [isBroken, message, hint] of rules)
    if (isBroken) throw new ShoalError('usage/contradiction', message, hint)
}
