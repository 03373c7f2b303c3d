/**
 * The configuration file: one JSON object whose keys are setting keys (`{"upload-limit":
 * "20MB/s", "pex": false}`).
 * It stands at `$SHOAL_CONFIG`, else `$XDG_CONFIG_HOME/shoal/config.json`, else
 * `~/.config/shoal/config.json`; only a file that was named must exist.
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { readInputFile } from './input-file.ts'

export interface ConfigFile {
  readonly path: string
  /** False when no file stands there. */
  readonly isPresent: boolean
  readonly values: Readonly<Record<string, unknown>>
}

/** A file where a folder should be is no configuration either. */
const ABSENT: ReadonlySet<string> = new Set(['storage/not-found', 'storage/not-a-folder'])

export type Environment = Readonly<Record<string, string | undefined>>

export function readConfigFile(environment: Environment): ConfigFile {
  const named = environment.SHOAL_CONFIG
  const path =
    named || join(environment.XDG_CONFIG_HOME || join(homedir(), '.config'), 'shoal', 'config.json')
  let text: string
  try {
    text = readInputFile(path).toString('utf8')
  } catch (cause) {
    if (!(cause instanceof ShoalError)) throw cause
    if (!named && ABSENT.has(cause.code)) return { path, isPresent: false, values: {} }
    throw new ShoalError(
      'usage/config-unreadable',
      `cannot read the configuration file: ${cause.message}`,
      'Set SHOAL_CONFIG to a file that can be read, or unset it.',
      { cause },
    )
  }
  let values: unknown
  try {
    values = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (cause) {
    throw new ShoalError(
      'usage/config-not-json',
      `${path} is not JSON`,
      'Check it with a JSON linter; it holds one object such as {"upload-limit": "20MB/s"}.',
      { cause },
    )
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw new ShoalError(
      'usage/config-not-object',
      `${path} does not hold one JSON object`,
      'Write it as {"upload-limit": "20MB/s"}.',
    )
  return { path, isPresent: true, values: values as Record<string, unknown> }
}
