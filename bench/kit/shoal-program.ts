/**
 * Shoal as it was built (`npm run build`). The final check is off: the other programs do not read everything
 * back either.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { commitName, PROJECT_FOLDER } from './machine.ts'
import { type PeerProgram, VERSION_MS } from './peer-program.ts'
import type { Results } from './results.ts'

/** `SHOAL_MAIN` names another build, to compare two of them. */
export const SHOAL_MAIN = process.env.SHOAL_MAIN ?? path.join(PROJECT_FOLDER, 'dist', 'main.js')

export function shoalCommand(...args: readonly string[]): string[] {
  if (!existsSync(SHOAL_MAIN)) throw new Error(`${SHOAL_MAIN} is missing: npm run build`)
  return [process.execPath, SHOAL_MAIN, ...args]
}

/** No peers but those of trackers; events as JSON lines. */
export const SHOAL_ALONE = ['--no-ring', '--no-dht', '--no-lan', '--no-pex', '--json'] as const

export const SHOAL: PeerProgram = {
  name: 'shoal',
  version() {
    const [program, ...args] = shoalCommand('--version')
    return spawnSync(program!, args, { encoding: 'utf8', timeout: VERSION_MS })
      .stdout.trim()
      .replace(/^shoal /, '')
  },
  launch(verb, { torrent, dir, host, port, uploadBytesPerSecond }) {
    const limit =
      uploadBytesPerSecond === undefined ? [] : ['--upload-limit', `${Math.round(uploadBytesPerSecond)}`]
    return {
      command: [
        ...shoalCommand(verb === 'seed' ? 'seed' : 'get', torrent, '--dir', dir),
        ...['--host', host, '--port', `${port}`, '--final-check', 'off'],
        ...SHOAL_ALONE,
        ...limit,
      ],
      doneText: '"event":"complete"',
      pieceText: '"event":"piece-verified"',
    }
  },
}

/** Says which build is measured, and warns when it is not that of the commit under which results are kept. */
export function noteBuild(results: Results): void {
  const version = SHOAL.version() ?? 'unknown'
  const commit = commitName()
  const isOther = !version.includes(commit.replace('-dirty', ''))
  results.note(`build: shoal ${version}${isOther ? `, which is not commit ${commit}: npm run build` : ''}`)
  if (!isBundleCurrent())
    results.note('the bundle is older than the modules, which are measured: npm run build')
}

/** What `src/main.ts` asks. */
function isBundleCurrent(): boolean {
  const changedAt = (file: string) =>
    statSync(path.join(path.dirname(SHOAL_MAIN), file), { throwIfNoEntry: false })?.mtimeMs
  return (changedAt('bundle/entry.js') ?? Number.NEGATIVE_INFINITY) >= (changedAt('.tsbuildinfo') ?? 0)
}
