/** libtorrent 2 through its Python binding, with its settings for high throughput (`libtorrent-peer.py`). */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { type PeerProgram, VERSION_MS } from './peer-program.ts'

/** The system's, which finds Debian's python3-libtorrent. */
export const PYTHON = '/usr/bin/python3'
const SCRIPT = path.join(import.meta.dirname, 'libtorrent-peer.py')

export const LIBTORRENT: PeerProgram = {
  name: 'libtorrent',
  version() {
    const print = 'import libtorrent; print(libtorrent.version)'
    const { status, stdout } = spawnSync(PYTHON, ['-c', print], { encoding: 'utf8', timeout: VERSION_MS })
    return status === 0 ? stdout.trim() : undefined
  },
  launch(_verb, { torrent, dir, host, port, uploadBytesPerSecond = 0 }) {
    return {
      command: [PYTHON, SCRIPT, torrent, dir, host, `${port}`, `${Math.round(uploadBytesPerSecond)}`],
      doneText: 'complete',
    }
  },
}
