/**
 * The transfers that `transfer` and `versus` measure: who seeds, who downloads, what, and with which caps.
 */
import { bigContent, type Content, libraryContent, makeTorrent } from './content.ts'
import { freePort } from './free-port.ts'
import type { SwarmPlan } from './swarm-run.ts'
import { announceUrl } from './tracker-process.ts'

export interface SwarmWorkload {
  readonly seederCount: number
  readonly leecherCount: number
  readonly isLibrary?: boolean
  /** Unless `--mib` says otherwise. */
  readonly mib: number
}

export const SWARM_WORKLOADS: Readonly<Record<string, SwarmWorkload>> = {
  'one-to-one': { seederCount: 1, leecherCount: 1, mib: 2048 },
  'four-to-one': { seederCount: 4, leecherCount: 1, mib: 2048 },
  'one-to-eight': { seederCount: 1, leecherCount: 8, mib: 512 },
  library: { seederCount: 1, leecherCount: 1, isLibrary: true, mib: 0 },
}

export interface SwarmSizes {
  readonly mib: number | undefined
  readonly fileCount: number
  readonly uploadBytesPerSecond: number | undefined
  readonly timeoutMs: number
}

/** Ports stay the same for a whole benchmark, because torrents name the tracker. */
const ports = { tracker: 0, peers: 0 }

/** Everything of a plan but the programs. */
export async function planSwarm(
  name: string,
  sizes: SwarmSizes,
): Promise<Omit<SwarmPlan, 'seeder' | 'leecher'>> {
  const workload = SWARM_WORKLOADS[name]
  if (workload === undefined)
    throw new Error(`no workload ${name}; there are ${Object.keys(SWARM_WORKLOADS).join(', ')}`)
  ports.tracker ||= await freePort()
  ports.peers ||= await freePort()
  const { seederCount, leecherCount } = workload
  return {
    torrent: await makeTorrent(contentOf(workload, sizes), announceUrl(ports.tracker)),
    seederCount,
    leecherCount,
    uploadBytesPerSecond: sizes.uploadBytesPerSecond,
    trackerPort: ports.tracker,
    peerPort: ports.peers,
    timeoutMs: sizes.timeoutMs,
  }
}

function contentOf(workload: SwarmWorkload, { mib = workload.mib, fileCount }: SwarmSizes): Content {
  const copies = 1 + workload.leecherCount
  return workload.isLibrary ? libraryContent(fileCount, copies) : bigContent(mib, copies)
}

/** `one-to-eight, big 512 MiB, cap 20 MB/s`. */
export function workloadTitle(
  name: string,
  { torrent, uploadBytesPerSecond: cap }: Omit<SwarmPlan, 'seeder' | 'leecher'>,
): string {
  const limit = cap === undefined ? '' : `, cap ${cap / 1e6} MB/s`
  return `${name}, ${torrent.content.name}${limit}`
}
