/**
 * How the least a program on Node.js can do (`bare-program.ts`) is started: as one CommonJS script.
 */
import path from 'node:path'
import { rolldown } from 'rolldown'
import { freshFolder } from './clean-up.ts'

/** Descriptors are paths there. */
export const CAN_GUARD = process.platform === 'linux'

/** With `guarded` files are opened as a program does that follows no link. */
type Guard = 'guarded' | undefined

const script = path.join(freshFolder('bare-program'), 'bare-program.cjs')
const build = await rolldown({
  input: path.join(import.meta.dirname, 'bare-program.ts'),
  platform: 'node',
  tsconfig: false,
})
await build.write({ file: script, format: 'cjs' })
await build.close()

/** @param format v1, v2 or hybrid */
export function bareCreateCommand(
  source: string,
  output: string,
  pieceLength: number,
  format: string,
  guard?: Guard,
): string[] {
  return bare(['create', source, output, `${pieceLength}`, format], guard)
}

/** Prints `checked` when all is right. */
export function bareCheckCommand(torrent: string, folder: string, guard?: Guard): string[] {
  return bare(['check', torrent, folder], guard)
}

function bare(args: readonly string[], guard: Guard): string[] {
  return [process.execPath, script, ...args, ...(guard === undefined ? [] : [guard])]
}
