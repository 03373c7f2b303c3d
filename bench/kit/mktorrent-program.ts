/** mktorrent, which makes v1 torrents with several threads. */
import { spawnSync } from 'node:child_process'

const THREADS = 2

export function isMktorrentInstalled(): boolean {
  return spawnSync('mktorrent', ['-h']).error === undefined
}

/** @param pieceLength a power of two */
export function mktorrentCommand(source: string, output: string, pieceLength: number): string[] {
  return [
    ...['mktorrent', '-t', `${THREADS}`, '-l', `${Math.log2(pieceLength)}`],
    ...['-a', 'http://127.0.0.1/announce', '-o', output, source],
  ]
}
