/** How the least a program on Node.js can do (`bare-program.ts`) is started. */
import { plainProgram } from './plain-program.ts'

/** @param format v1, v2 or hybrid */
export function bareCreateCommand(
  source: string,
  output: string,
  pieceLength: number,
  format: string,
): string[] {
  return [...bareProgram(), 'create', source, output, `${pieceLength}`, format]
}

/** Prints `checked` when all is right. */
export function bareCheckCommand(torrent: string, folder: string): string[] {
  return [...bareProgram(), 'check', torrent, folder]
}

function bareProgram(): string[] {
  return [process.execPath, plainProgram('bare-program', 'cjs')]
}
