/**
 * The least a program on Node.js can do (`floor-client.ts`), as a program to be measured beside others. It
 * knows one peer: it seeds to one leecher, or downloads from one seeder.
 */
import type { PeerProgram } from './peer-program.ts'
import { plainProgram } from './plain-program.ts'

export const FLOOR: PeerProgram = {
  name: 'floor',
  version: () => process.version,
  launch: (verb, { torrent, dir, host, port }) => ({
    command: [
      ...[process.execPath, plainProgram('floor-client'), verb === 'seed' ? 'seed' : 'get'],
      ...[torrent, dir, host, `${port}`],
    ],
    doneText: 'done',
  }),
}
