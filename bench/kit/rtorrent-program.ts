/** rtorrent as a daemon. Its clock of one second shows in short measurements. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { type PeerProgram, VERSION_MS } from './peer-program.ts'

const KIB = 1024

export const RTORRENT: PeerProgram = {
  name: 'rtorrent',
  version() {
    const { stdout } = spawnSync('rtorrent', ['-h'], { encoding: 'utf8', timeout: VERSION_MS })
    return /version (\S+?)\.?\n/.exec(stdout ?? '')?.[1]
  },
  launch(_verb, { torrent, dir, host, port, uploadBytesPerSecond = 0, stateFolder }) {
    const doneFile = path.join(stateFolder, 'done')
    const configuration = path.join(stateFolder, 'rtorrent.rc')
    const lines = [
      'system.daemon.set = true',
      `session.path.set = ${stateFolder}`,
      `directory.default.set = ${dir}`,
      `network.bind_address.set = ${host}`,
      `network.local_address.set = ${host}`,
      `network.port_range.set = ${port}-${port}`,
      'network.port_random.set = no',
      'network.max_open_files.set = 600',
      'dht.mode.set = disable',
      'protocol.pex.set = no',
      'protocol.encryption.set = none',
      'trackers.use_udp.set = no',
      // Pieces were checked as they came; the other programs do not read them again.
      'pieces.hash.on_completion.set = no',
      'pieces.memory.max.set = 2048M',
      'throttle.max_uploads.set = 100',
      'throttle.max_uploads.global.set = 500',
      `throttle.global_up.max_rate.set_kb = ${Math.round(uploadBytesPerSecond / KIB)}`,
      `method.set_key = event.download.finished,bench_done,"execute.nothrow=touch,${doneFile}"`,
      `schedule2 = bench_load,0,0,"load.start=${torrent}"`,
    ]
    writeFileSync(configuration, `${lines.join('\n')}\n`)
    return {
      command: ['rtorrent', '-n', '-o', `import=${configuration}`],
      environment: { HOME: stateFolder, TERM: 'xterm' },
      doneFile,
    }
  },
}
