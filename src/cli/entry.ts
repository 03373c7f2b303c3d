/**
 * The first thing loaded on a Node.js that is new enough. `--version` is answered here,
 * before anything else is loaded; threads for commands that hash are started here, because they take as long
 * to come up as everything else does to load.
 */
import { withFirstFlags } from '../nodejs/v8-flags.ts'
import { formatVersion, readVersion } from './version.ts'

const HASHING_COMMANDS: ReadonlySet<string> = new Set(['create', 'verify', 'share', 'seed'])
const HELP: ReadonlySet<string> = new Set(['--help', '-h'])

/** @param onBegun told how to do something as if no flag of V8's had been changed since, at any time */
export async function start(
  argv: readonly string[],
  onBegun: (asBegun: (use: () => void) => void) => void = () => {},
): Promise<void> {
  onBegun(withFirstFlags)
  const words = argv.filter((word) => word !== '--json')
  if (words.length === 1 && (words[0] === '--version' || words[0] === '-V')) {
    const version = readVersion()
    const isJson = words.length < argv.length
    process.stdout.write(
      `${isJson ? JSON.stringify({ event: 'version', ...version }) : formatVersion(version)}\n`,
    )
    return
  }
  if (HASHING_COMMANDS.has(argv[0] ?? '') && !argv.some((word) => HELP.has(word))) {
    const { HashPool } = await import('../nodejs/hash-pool.ts')
    HashPool.shared.start(true)
  }
  // A program that waits for what never comes ends here without a word: not as if all were well.
  process.exitCode = 1
  const { runProgram } = await import('./program.ts')
  process.exit(await runProgram(argv))
}
