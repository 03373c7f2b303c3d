/**
 * The Debian packages whose programs `npm test` runs beside Shoal, and nothing in the product needs: real
 * BitTorrent clients, a library of pictures, network namespaces. `system-packages.json` is the one list, each
 * package with how to tell that it is there. As root on a machine with apt-get the missing ones are
 * installed; elsewhere the line that installs them is printed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import packages from './system-packages.json' with { type: 'json' }

/** Debian's own: another one on the PATH does not see Debian's modules. */
const PYTHON = '/usr/bin/python3'

interface Probe {
  program?: string
  python?: string
  path?: string
}

/** True when all are there now. */
export function ensureSystemPackages(): boolean {
  const missing = missingPackages()
  if (missing.length === 0) return true
  const canInstall = process.getuid?.() === 0 && findProgram('apt-get')
  if (!canInstall) {
    console.error(
      `shoal: the tests need these programs; install them and run it again:\n       ${installLine(missing)}`,
    )
    return false
  }
  console.error(`shoal: installing ${missing.join(' ')} (Debian packages, once)`)
  if (!aptGet('update') || !aptGet('install', '--yes', '--no-install-recommends', ...missing)) {
    console.error(
      `shoal: apt-get could not install them; its words are above. By hand:\n       ${installLine(missing)}`,
    )
    return false
  }
  const stillMissing = missingPackages()
  for (const name of stillMissing)
    console.error(`shoal: ${name} is installed, but what it brings is not found`)
  return stillMissing.length === 0
}

function missingPackages(): string[] {
  return Object.entries<Probe>(packages).flatMap(([name, probe]) => (isPresent(probe) ? [] : [name]))
}

function isPresent(probe: Probe): boolean {
  if (probe.path !== undefined) return existsSync(probe.path)
  if (probe.program !== undefined) return findProgram(probe.program)
  return spawnSync(PYTHON, ['-c', `import ${probe.python}`], { stdio: 'ignore' }).status === 0
}

/** Looks in the system folders too: `ip` is not on every user's PATH. */
function findProgram(name: string): boolean {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.some((folder) => existsSync(join(folder, name)))
}

function installLine(names: string[]): string {
  return `sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${names.join(' ')}`
}

function aptGet(...args: string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status, stdout, stderr } = spawnSync('apt-get', ['--quiet', ...args], {
    encoding: 'utf8',
    env,
    maxBuffer: 2 ** 26,
  })
  if (status !== 0) process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`.split('\n').slice(-15).join('\n'))
  return status === 0
}
