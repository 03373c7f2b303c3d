/**
 * Processes killed at random moments, and what must be true of what they leave: no half file, nothing that
 * was verified fetched again, nothing left over at the end. The moments come from a seed, which every failure
 * names; `SHOAL_SEED` gives them again, as far as a process takes as long as the last time.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { bdecode, rawMember } from './bencode.ts'
import { Shoal } from './shoal.ts'
import { peerArguments, startGet } from './stage.ts'
import type { TorrentFixture } from './torrent-fixture.ts'
import { sleep, within } from './waiting.ts'

const CRASH_AT = new URL('./crash-at.ts', import.meta.url).href
/** A process that does nothing for so long hangs. */
const RUN_MS = 60_000

export class Chance {
  readonly seed: number
  #state: number

  constructor(seed: number) {
    this.seed = seed
    this.#state = seed >>> 0
  }

  /** The one to repeat, or another each time. */
  static get given(): number {
    return Number(process.env.SHOAL_SEED ?? Math.floor(Math.random() * 0x7fff_ffff))
  }

  /** From 0 to below 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000
  }

  below(bound: number): number {
    return Math.floor(this.next() * bound)
  }
}

/** Runs `work`, and names the seed when it fails. */
export async function withSeed<T>(chance: Chance, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new Error(`with SHOAL_SEED=${chance.seed}: ${(error as Error).message}`, { cause: error })
  }
}

export interface KilledDownload {
  readonly file: string
  readonly torrent: TorrentFixture
  readonly peers: { host: string; port: number }[]
  readonly args?: string[]
  /** Where it goes; made and emptied here. */
  readonly target: string
  /** For `--tmp-dir`. */
  readonly tmp?: string
  /** What is wrong with a complete download; empty when it is as it should be. */
  readonly differences: () => string[]
  /** Pieces that are to be there in the end. */
  readonly pieceCount: number
  /** Those of them that lie partly in files not wanted: once all is complete nothing is kept of these. */
  readonly sharedPieces?: ReadonlySet<number>
}

export interface KillCounts {
  kills: number
  /** Downloads that came to their end. */
  completions: number
  /**
   * In which part of a run they were killed: before it had checked, while pieces came in, after the last one.
   */
  early: number
  middle: number
  late: number
}

export function noKills(): KillCounts {
  return { kills: 0, completions: 0, early: 0, middle: 0, late: 0 }
}

/** Downloads again and again, each until it is complete, until so many processes were killed. */
export async function killDownloads(
  download: KilledDownload,
  chance: Chance,
  kills: number,
): Promise<KillCounts> {
  const counts = noKills()
  const usualMs = await usualRun(download)
  while (counts.kills < kills) {
    empty(download)
    const known = new Set<number>()
    for (let isComplete = false; !isComplete; ) {
      const mode = counts.kills < kills ? MODES[chance.below(MODES.length)]! : 'spare'
      isComplete = await oneRun(download, chance, mode, usualMs, known, counts)
    }
    counts.completions++
    expectNothingLeft(download)
  }
  return counts
}

/**
 * Kills a download just before its n-th change to the file system, and takes it to its end. Gives how many
 * changes it makes when n is 0 and it is not killed.
 */
export async function killBefore(n: number, download: KilledDownload): Promise<number> {
  empty(download)
  const known = new Set<number>()
  const get = start(download, { NODE_OPTIONS: `--import ${CRASH_AT}`, CRASH_AT: String(n) })
  await within('end of a download', get.exit, RUN_MS)
  expectNothingAgain(get, known, download.sharedPieces)
  if (n === 0) {
    await finish(get)
    expectNothingLeft(download)
    return Number(get.stderr.match(/file operations: (\d+)/)?.[1])
  }
  // Which changes are made depends a little on how fast everything is: the last ones may not be reached.
  if (get.exited?.signal === 'SIGKILL') {
    const again = start(download)
    await finish(again)
    expectNothingAgain(again, known)
  } else await finish(get)
  expectNothingLeft(download)
  return n
}

/** A moment of the whole run, of its start, while pieces come in, or near its end. */
const MODES = ['any', 'start', 'middle', 'middle', 'end'] as const
type Mode = (typeof MODES)[number] | 'spare'

async function usualRun(download: KilledDownload): Promise<number> {
  empty(download)
  const startedAt = performance.now()
  const get = start(download)
  await finish(get)
  expectNothingLeft(download)
  return performance.now() - startedAt
}

function start(
  { file, target, tmp, peers, args = [] }: KilledDownload,
  env: Record<string, string> = {},
): Shoal {
  const tmpArgs = tmp === undefined ? [] : ['--tmp-dir', tmp]
  return startGet(file, target, { peers, args: ['--exit', ...tmpArgs, ...args], stdin: 'closed', env })
}

async function finish(get: Shoal): Promise<void> {
  const { code } = await within('end of a download', get.exit, RUN_MS)
  if (code !== 0) throw new Error(`a download ended with ${code}: ${get.stderr}${get.stdout.slice(-1500)}`)
}

/** True when it came to its end before it was to be killed. */
async function oneRun(
  download: KilledDownload,
  chance: Chance,
  mode: Mode,
  usualMs: number,
  known: Set<number>,
  counts: KillCounts,
): Promise<boolean> {
  const get = start(download)
  const moment = async () => {
    if (mode === 'any') await sleep(chance.next() * usualMs)
    else if (mode === 'start') await sleep((0.3 + 0.4 * chance.next()) * usualMs)
    else {
      const all = download.pieceCount - known.size
      const missing = mode === 'middle' ? chance.below(all + 1) : all - chance.below(3)
      await get.event('piece-verified', () => get.all('piece-verified').length >= missing, RUN_MS)
      await sleep(chance.next() * 60)
    }
  }
  // Who ends first is not waited for any more.
  const isTime = mode === 'spare' ? new Promise<never>(() => {}) : moment().catch(() => {})
  await Promise.race([isTime, within('end of a download', get.exit, RUN_MS)])
  const isKilled = get.exited === undefined
  await get.kill()
  const wasKilled = isKilled && get.exited?.signal === 'SIGKILL'
  expectNothingAgain(get, known, download.sharedPieces)
  if (!wasKilled) await finish(get)
  else {
    counts.kills++
    if (get.all('checked').length === 0) counts.early++
    else if (get.all('complete').length === 0 && known.size < download.pieceCount) counts.middle++
    else counts.late++
  }
  return !wasKilled
}

/** A piece that was said to be verified is there, and stays. */
function expectNothingAgain(
  get: Shoal,
  known: Set<number>,
  sharedPieces: ReadonlySet<number> = new Set(),
): void {
  const [checked] = get.all('checked')
  if (checked !== undefined && checked.pieces < known.size)
    throw new Error(`${checked.pieces} pieces were found, ${known.size} had been verified`)
  for (const { piece } of get.all('piece-verified')) {
    if (known.has(piece)) throw new Error(`piece ${piece} had been verified and was fetched again`)
    known.add(piece)
  }
  if (get.all('complete').length > 0) for (const piece of sharedPieces) known.delete(piece)
  const [bad] = [...get.all('warning'), ...get.all('compromised'), ...get.all('error')]
  if (bad !== undefined) throw new Error(`a killed run makes trouble: ${JSON.stringify(bad)}`)
  if (get.badLines.length > 1) throw new Error(`no events: ${get.badLines.join('\n')}`)
}

function empty({ target, tmp }: KilledDownload): void {
  for (const folder of [target, ...(tmp === undefined ? [] : [tmp])]) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
  }
}

function expectNothingLeft({ target, tmp, torrent, differences }: KilledDownload): void {
  const wrong = differences()
  for (const name of readdirSync(target)) if (name !== torrent.name) wrong.push(`left over: ${name}`)
  for (const name of tmp === undefined ? [] : readdirSync(tmp))
    wrong.push(`left in the temporary folder: ${name}`)
  if (wrong.length > 0) throw new Error(`a complete download is not as it should be: ${wrong.join(', ')}`)
}

export interface KilledPublication {
  /** What to publish, and where the `.torrent` goes. */
  readonly content: string
  readonly output: string
  readonly command: 'create' | 'share'
}

/** Publishes and is killed, again and again; whenever one comes to its end nothing may be left over. */
export async function killPublications(
  { content, output, command }: KilledPublication,
  chance: Chance,
  kills: number,
): Promise<number> {
  const args =
    command === 'create' ? ['create', content, '--output', output] : ['share', content, ...peerArguments({})]
  const folder = join(output, '..')
  const run = () => Shoal.start([...args, '--format', 'hybrid'], { stdin: 'closed' })
  const publish = async () => {
    const startedAt = performance.now()
    const publication = run()
    await publication.event('created', undefined, RUN_MS)
    const tookMs = performance.now() - startedAt
    await (command === 'create' ? publication.exit : publication.kill())
    const left = readdirSync(folder).filter((name) => name.startsWith('.shoal-') || name.endsWith('.tmp'))
    if (left.length > 0) throw new Error(`left over: ${left.join(', ')}`)
    return tookMs
  }
  const usualMs = await publish()
  const info = rawMember(readFileSync(output), 'info')
  for (let killed = 0; killed < kills; ) {
    if (chance.below(3) === 0) rmSync(output, { force: true })
    const publication = run()
    await Promise.race([sleep((0.5 + 0.6 * chance.next()) * usualMs), publication.exit])
    await publication.kill()
    if (publication.exited?.signal === 'SIGKILL') killed++
    expectWhole(output, info)
    if (chance.below(5) === 0) await publish()
  }
  await publish()
  return kills
}

function expectWhole(output: string, info: Buffer): void {
  if (!existsSync(output)) return
  const bytes = readFileSync(output)
  bdecode(bytes)
  if (!rawMember(bytes, 'info').equals(info))
    throw new Error(`${output} is not whole (${statSync(output).size})`)
}
