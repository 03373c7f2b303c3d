/** aria2. It tells by a hook when a download is complete, before it goes on seeding. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { type PeerProgram, VERSION_MS } from './peer-program.ts'

/** Its default stops asking for peers above 50 KiB/s. */
const ENOUGH_SPEED = '1000M'

export const ARIA2: PeerProgram = {
  name: 'aria2',
  version() {
    const { stdout } = spawnSync('aria2c', ['--version'], { encoding: 'utf8', timeout: VERSION_MS })
    return stdout?.split('\n', 1)[0]?.replace('aria2 version ', '')
  },
  launch(verb, { torrent, dir, host, port, uploadBytesPerSecond = 0, stateFolder }) {
    const doneFile = path.join(stateFolder, 'done')
    const hook = path.join(stateFolder, 'hook')
    writeFileSync(hook, `#!/bin/sh\n: >'${doneFile}'\n`, { mode: 0o755 })
    const seeding = verb === 'seed' ? ['--check-integrity=true', '--bt-hash-check-seed=true'] : []
    return {
      command: [
        'aria2c',
        ...['--no-conf=true', '--disable-ipv6=true', '--console-log-level=warn', '--summary-interval=0'],
        ...['--enable-dht=false', '--bt-enable-lpd=false', '--enable-peer-exchange=false'],
        ...['--bt-require-crypto=false', '--bt-min-crypto-level=plain'],
        ...['--file-allocation=none', '--disk-cache=64M', '--bt-max-open-files=500'],
        ...['--bt-max-peers=0', `--bt-request-peer-speed-limit=${ENOUGH_SPEED}`, '--seed-ratio=0.0'],
        ...[`--interface=${host}`, `--listen-port=${port}`, `--dir=${dir}`],
        `--max-overall-upload-limit=${Math.round(uploadBytesPerSecond)}`,
        `--on-bt-download-complete=${hook}`,
        ...seeding,
        torrent,
      ],
      doneFile,
    }
  },
}
