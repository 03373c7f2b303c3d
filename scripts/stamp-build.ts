/**
 * Last step of the build: writes `dist/build.json` (version and commit, what `shoal --version` shows) and
 * makes the program executable. Without git, as in an unpacked release, the commit is null.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'

const root = new URL('../', import.meta.url)

function readCommit(): string | null {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    // A repository further up, around an unpacked release, is not ours.
    return git('rev-parse', '--show-prefix') === '' ? git('rev-parse', '--short', 'HEAD') : null
  } catch {
    return null
  }
}

const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { version: string }
writeFileSync(new URL('dist/build.json', root), `${JSON.stringify({ version, commit: readCommit() })}\n`)
chmodSync(new URL('dist/main.js', root), 0o755)
