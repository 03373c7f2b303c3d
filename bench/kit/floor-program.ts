/**
 * The least a program on Node.js can do (`floor-client.ts`), as a program to be measured beside others. It
 * knows one peer: it seeds to one leecher, or downloads from one seeder.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import path from 'node:path'
import { freshFolder } from './clean-up.ts'
import type { PeerProgram } from './peer-program.ts'

const SOURCE = path.join(import.meta.dirname, 'floor-client.ts')

let program: string | undefined

/** As plain JavaScript: taking the types off would count as its start. */
function plainProgram(): string {
  if (program !== undefined) return program
  program = path.join(freshFolder('floor-client'), 'floor-client.mjs')
  writeFileSync(program, stripTypeScriptTypes(readFileSync(SOURCE, 'utf8')))
  return program
}

export const FLOOR: PeerProgram = {
  name: 'floor',
  version: () => process.version,
  launch: (verb, { torrent, dir, host, port }) => ({
    command: [
      ...[process.execPath, plainProgram(), verb === 'seed' ? 'seed' : 'get'],
      ...[torrent, dir, host, `${port}`],
    ],
    doneText: 'done',
  }),
}
