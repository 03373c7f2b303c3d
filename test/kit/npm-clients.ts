/**
 * Clients from npm, in a folder of their own with their own lock: they take part in tests, and never in the
 * program. Installed on first use; where npm has no registry to ask, the tests that need them say so.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Where scripts stand that import them. */
export const NPM_CLIENTS = join(import.meta.dirname, '..', 'interop', 'npm')

const INSTALL_MS = 120_000

let installing: Promise<string | undefined> | undefined

/** @returns undefined once they are there, else why they cannot be */
export function npmClientsAbsent(): Promise<string | undefined> {
  installing ??= install()
  return installing
}

async function install(): Promise<string | undefined> {
  if (existsSync(join(NPM_CLIENTS, 'node_modules', '.package-lock.json'))) return undefined
  try {
    const args = ['ci', '--ignore-scripts', '--prefer-offline', '--loglevel=error']
    await promisify(execFile)('npm', args, { cwd: NPM_CLIENTS, timeout: INSTALL_MS })
    return undefined
  } catch (error) {
    return `npm ci failed in ${NPM_CLIENTS}: ${(error as Error).message.split('\n').slice(0, 3).join(' ')}`
  }
}
