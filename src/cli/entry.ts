/**
 * The first thing loaded on a Node.js that is new enough. `--version` is answered here,
 * before anything else is loaded.
 */
import v8 from 'node:v8'
import { formatVersion, readVersion } from './version.ts'

export async function start(argv: readonly string[]): Promise<void> {
  // Short-lived objects are few and small here: letting their space grow gains no time and costs 60 MB.
  v8.setFlagsFromString('--semi-space-growth-factor=1')
  const words = argv.filter((word) => word !== '--json')
  if (words.length === 1 && (words[0] === '--version' || words[0] === '-V')) {
    const version = readVersion()
    const isJson = words.length < argv.length
    process.stdout.write(
      `${isJson ? JSON.stringify({ event: 'version', ...version }) : formatVersion(version)}\n`,
    )
    return
  }
  const { runProgram } = await import('./program.ts')
  process.exit(await runProgram(argv))
}
