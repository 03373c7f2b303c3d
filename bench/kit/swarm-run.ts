/**
 * One transfer of whole processes on loopback: a tracker, seeders that have checked the content and announced
 * it, then leechers that start together. Measured from the start of the first leecher until the last one is
 * complete, so starting, announcing and connecting count; afterwards everything that arrived is compared with
 * the source.
 */
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freshFolder, removeFolder } from './clean-up.ts'
import { MIB, type Torrent } from './content.ts'
import { coreSeconds } from './machine.ts'
import { MeasuredProcess } from './measured-process.ts'
import type { PeerProgram } from './peer-program.ts'
import { requireSame } from './same-tree.ts'
import { TrackerProcess } from './tracker-process.ts'
import { until } from './waiting.ts'

/** What seeders do after their announce is over by then. */
const SETTLE_MS = 500
const FIRST_SEEDER = 2
const FIRST_LEECHER = 50
const GIB = 1024 * MIB

export interface SwarmPlan {
  readonly torrent: Torrent
  readonly seeder: PeerProgram
  readonly seederCount: number
  readonly leecher: PeerProgram
  readonly leecherCount: number
  /** Of every peer; undefined = no limit. */
  readonly uploadBytesPerSecond?: number | undefined
  /** Of the tracker that the torrent names. */
  readonly trackerPort: number
  /** Of every peer; each has an address of its own. */
  readonly peerPort: number
  readonly timeoutMs: number
}

export interface SwarmFigures {
  readonly wallSeconds: number
  /** Content times leechers. */
  readonly deliveredBytes: number
  readonly leecherCpuSeconds: number
  /** While leechers ran. */
  readonly seederCpuSeconds: number
  /** Of the process with the highest. */
  readonly leecherPeakAnonymousBytes: number
  readonly leecherPeakResidentBytes: number
  readonly seederPeakAnonymousBytes: number
  readonly seederPeakResidentBytes: number
  /** From the start of the first leecher; undefined where the program does not tell. */
  readonly firstPieceSeconds: number | undefined
  /** Processors that others on this machine kept busy meanwhile. */
  readonly otherCores: number
  /** Processors with nothing to do: each program waited for another one. */
  readonly idleCores: number
}

/** The least time in which capped seeders and leechers can deliver everything to all leechers. */
export function leastSeconds(plan: SwarmPlan & { readonly uploadBytesPerSecond: number }): number {
  const { torrent, seederCount, leecherCount, uploadBytesPerSecond: cap } = plan
  const { bytes } = torrent.content
  const ofSeeders = seederCount * cap
  return Math.max(bytes / ofSeeders, (leecherCount * bytes) / (ofSeeders + leecherCount * cap))
}

/** Figures as benchmarks print and keep them. */
export function namedFigures(figures: SwarmFigures): Record<string, number | undefined> {
  const deliveredGib = figures.deliveredBytes / GIB
  return {
    'MB/s delivered': figures.deliveredBytes / figures.wallSeconds / 1e6,
    'wall s': figures.wallSeconds,
    'first piece s': figures.firstPieceSeconds,
    'leecher CPU s/GiB': figures.leecherCpuSeconds / deliveredGib,
    'seeder CPU s/GiB': figures.seederCpuSeconds / deliveredGib,
    'leecher anon MiB': figures.leecherPeakAnonymousBytes / MIB,
    'leecher peak RSS MiB': figures.leecherPeakResidentBytes / MIB,
    'seeder anon MiB': figures.seederPeakAnonymousBytes / MIB,
    'seeder peak RSS MiB': figures.seederPeakResidentBytes / MIB,
    'others, cores': figures.otherCores,
    'idle, cores': figures.idleCores,
  }
}

/** Throws when a program ends, differs or is not done in time. */
export async function runSwarm(plan: SwarmPlan): Promise<SwarmFigures> {
  const folder = freshFolder('swarm')
  const tracker = await TrackerProcess.start(plan.trackerPort)
  const running: Peer[] = []
  try {
    const seeders = Array.from({ length: plan.seederCount }, (_, i) => new Peer(plan, 'seed', i, folder))
    running.push(...seeders)
    await until(`${plan.seeder.name} to seed`, plan.timeoutMs, async () => {
      for (const seeder of seeders) seeder.process.requireRunning()
      return (await tracker.seedCount(plan.torrent.infoHash)) >= seeders.length
    })
    await sleep(SETTLE_MS)
    const { leechers, ...figures } = await download(plan, folder, seeders, tracker, running)
    await Promise.all(leechers.map((leecher) => leecher.stop()))
    for (const leecher of leechers) requireSame(plan.torrent.content.path, leecher.contentPath)
    return figures
  } finally {
    // Peers say goodbye to the tracker, so it goes last.
    await Promise.all(running.map((peer) => peer.stop()))
    await tracker.stop()
    removeFolder(folder)
  }
}

async function download(
  plan: SwarmPlan,
  folder: string,
  seeders: readonly Peer[],
  tracker: TrackerProcess,
  running: Peer[],
): Promise<SwarmFigures & { leechers: readonly Peer[] }> {
  const [seedersBefore, oursBefore] = [cpuOf(seeders), ownCpu(tracker)]
  const before = coreSeconds()
  const startedAt = performance.now()
  const leechers: Peer[] = []
  for (let i = 0; i < plan.leecherCount; i++) {
    leechers.push(new Peer(plan, 'download', i, folder))
    running.push(leechers[i]!)
  }
  await until(`${plan.leecher.name} to download`, plan.timeoutMs, () => {
    for (const peer of [...seeders, ...leechers]) peer.process.requireRunning()
    // Asks all of them, so that each is told of at its time.
    return leechers.filter((leecher) => !leecher.checkDone()).length === 0
  })
  // A single leecher has told what it used; several go on serving one another until the last one is done.
  const leecherCpu = leechers.length === 1 ? leechers[0]!.cpuSecondsWhenDone! : cpuOf(leechers)
  const seederCpu = cpuOf(seeders) - seedersBefore
  const doneAt = Math.max(...leechers.map((leecher) => leecher.doneAt!))
  const wallSeconds = (doneAt - startedAt) / 1000
  const after = coreSeconds()
  const elapsedSeconds = (performance.now() - startedAt) / 1000
  const others = after.busy - before.busy - cpuOf(leechers) - seederCpu - (ownCpu(tracker) - oursBefore)
  for (const { process } of [...seeders, ...leechers]) process.sample()
  const firstPieceAt = leechers.flatMap((leecher) => leecher.firstPieceAt ?? [])
  return {
    leechers,
    wallSeconds,
    deliveredBytes: plan.torrent.content.bytes * leechers.length,
    leecherCpuSeconds: leecherCpu,
    seederCpuSeconds: seederCpu,
    leecherPeakAnonymousBytes: Math.max(...leechers.map(({ process }) => process.peakAnonymousBytes)),
    leecherPeakResidentBytes: Math.max(...leechers.map(({ process }) => process.peakResidentBytes)),
    seederPeakAnonymousBytes: Math.max(...seeders.map(({ process }) => process.peakAnonymousBytes)),
    seederPeakResidentBytes: Math.max(...seeders.map(({ process }) => process.peakResidentBytes)),
    firstPieceSeconds: firstPieceAt.length > 0 ? (Math.min(...firstPieceAt) - startedAt) / 1000 : undefined,
    otherCores: Math.max(0, others / wallSeconds),
    idleCores: (after.idle - before.idle) / elapsedSeconds,
  }
}

class Peer {
  readonly process: MeasuredProcess
  /** Where the content arrives. */
  readonly contentPath: string
  doneAt: number | undefined
  cpuSecondsWhenDone: number | undefined
  firstPieceAt: number | undefined
  readonly #doneFile: string | undefined

  constructor(plan: SwarmPlan, verb: 'seed' | 'download', index: number, folder: string) {
    const { torrent } = plan
    const program = verb === 'seed' ? plan.seeder : plan.leecher
    const stateFolder = path.join(folder, `${verb}-${index}`)
    const target = path.join(stateFolder, 'content')
    mkdirSync(target, { recursive: true })
    const dir = verb === 'seed' ? path.dirname(torrent.content.path) : target
    this.contentPath = path.join(dir, path.basename(torrent.content.path))
    const launch = program.launch(verb, {
      torrent: torrent.file,
      dir,
      host: `127.0.0.${(verb === 'seed' ? FIRST_SEEDER : FIRST_LEECHER) + index}`,
      port: plan.peerPort,
      uploadBytesPerSecond: plan.uploadBytesPerSecond,
      stateFolder,
    })
    const { command, environment, doneText, pieceText } = launch
    this.#doneFile = launch.doneFile
    this.process = new MeasuredProcess(program.name, {
      command,
      environment,
      folder: stateFolder,
      onLine: (line) => {
        if (pieceText !== undefined && this.firstPieceAt === undefined && line.includes(pieceText))
          this.firstPieceAt = performance.now()
        if (doneText !== undefined && this.doneAt === undefined && line.includes(doneText)) this.#done()
      },
    })
  }

  /** Looks for the file by which some programs tell. */
  checkDone(): boolean {
    if (this.doneAt === undefined && this.#doneFile !== undefined && existsSync(this.#doneFile)) this.#done()
    return this.doneAt !== undefined
  }

  stop(): Promise<void> {
    return this.process.stop()
  }

  #done(): void {
    this.doneAt = performance.now()
    this.cpuSecondsWhenDone = this.process.cpuSeconds
  }
}

function cpuOf(peers: readonly Peer[]): number {
  return peers.reduce((sum, { process }) => sum + process.cpuSeconds, 0)
}

/** What the measurement itself uses. */
function ownCpu(tracker: TrackerProcess): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6 + tracker.process.cpuSeconds
}
