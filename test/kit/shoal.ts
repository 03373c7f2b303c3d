/**
 * The built program as a child process, with `--json`: its events line by line, its stderr, its exit, console
 * words on stdin, and signals. Every wait is bounded and every process is killed by its own pid when the test
 * ends. A line on stdout that is no JSON object with `event` fails the test that started the process.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { guardPid, onCleanUp, releasePid, temporaryFolder } from './clean-up.ts'
import type { PrivateNetwork } from './private-network.ts'
import { Recording, within } from './waiting.ts'

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
export const NODE = join(ROOT, 'node_modules', '.bin', 'node')
export const MAIN = join(ROOT, 'dist', 'main.js')
/** Nothing but the given peers and trackers: no ring, DHT, LAN or peer exchange. */
export const ALONE = ['--no-ring', '--no-dht', '--no-lan', '--no-pex']

export interface ShoalEvent {
  event: string
  /** When the line was read, in `performance.now()` milliseconds. */
  at: number
  // biome-ignore lint/suspicious/noExplicitAny: what the fields are is what the tests check
  [field: string]: any
}
export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}
export interface ShoalOptions {
  /** Default true: `--json` is added. */
  json?: boolean
  cwd?: string
  env?: Record<string, string>
  /** `open` (default) for console words; `closed` = /dev/null. */
  stdin?: 'open' | 'closed'
  main?: string
  /** Where it runs; default the network of the machine. */
  network?: PrivateNetwork
  /** A command that executes the one that follows it, in place of itself: `setpriv`, `prlimit`, `unshare`. */
  through?: string[]
}

export class Shoal {
  readonly events = new Recording<ShoalEvent>()
  readonly badLines: string[] = []
  readonly exit: Promise<Exit>
  readonly startedAt = performance.now()
  stdout = ''
  stderr = ''
  exited: Exit | undefined
  readonly #child: ChildProcess
  #line = ''

  private constructor(child: ChildProcess, json: boolean) {
    this.#child = child
    const { stdout, stderr, pid } = child
    if (pid) guardPid(pid)
    stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      if (json) this.#lines(text)
    })
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    child.stdin?.on('error', () => {})
    this.exit = new Promise((resolve) => {
      child.on('error', (error) => {
        this.stderr += String(error)
        resolve({ code: -1, signal: null })
      })
      child.on('close', (code, signal) => {
        if (pid) releasePid(pid)
        this.exited = { code, signal }
        this.events.end(
          `the program ended with ${code ?? signal}; stderr: ${this.stderr.slice(-600) || 'empty'}`,
        )
        resolve(this.exited)
      })
    })
  }

  /** Starts `shoal ARGS`. */
  static start(args: string[], options: ShoalOptions = {}): Shoal {
    const main = options.main ?? MAIN
    if (!existsSync(main)) throw new Error(`${main} is missing: npm run build`)
    const json = options.json ?? true
    const words = [...(options.through ?? []), NODE, main, ...args, ...(json ? ['--json'] : [])]
    const [program, rest] = options.network?.command(words[0]!, words.slice(1)) ?? [words[0]!, words.slice(1)]
    const child = spawn(program, rest, {
      cwd: options.cwd ?? temporaryFolder('cwd'),
      env: { ...cleanEnvironment(), ...options.env },
      stdio: [options.stdin === 'closed' ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    const shoal = new Shoal(child, json)
    onCleanUp(() => shoal.kill())
    return shoal
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /**
   * The first event of this name that matches, past or future; `from` skips that many events of the record.
   */
  async event(
    name: string,
    matches: (event: ShoalEvent) => boolean = () => true,
    timeoutMs?: number,
    from?: number,
  ): Promise<ShoalEvent> {
    return this.events.first(`event ${name}`, (e) => e.event === name && matches(e), timeoutMs, from)
  }

  /** Every event of this name so far. */
  all(name: string): ShoalEvent[] {
    return this.events.items.filter((event) => event.event === name)
  }

  /** The endpoint of its peer listener, on loopback. */
  async peerEndpoint(timeoutMs?: number): Promise<{ host: string; port: number }> {
    const { host, port } = await this.event('listening', (e) => e.service === 'peer', timeoutMs)
    return { host: host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host, port }
  }

  /** The same once it has checked its content, so that it knows its torrents and answers for them. */
  async readyEndpoint(timeoutMs?: number): Promise<{ host: string; port: number }> {
    await this.event('checked', undefined, timeoutMs)
    return this.peerEndpoint(timeoutMs)
  }

  /** Types a line on its console. */
  type(word: string): void {
    this.#child.stdin?.write(`${word}\n`)
  }

  closeStdin(): void {
    this.#child.stdin?.end()
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Its exit, within a time. */
  exitWithin(timeoutMs = 15_000): Promise<Exit> {
    return within(`exit (stderr: ${this.stderr.slice(-600)})`, this.exit, timeoutMs)
  }

  /** Ends it with the console word and expects the orderly stop. */
  async end(word = 'end'): Promise<Exit> {
    this.type(word)
    return this.exitWithin()
  }

  async kill(): Promise<void> {
    if (!this.exited) this.#child.kill('SIGKILL')
    await this.exit
  }

  #lines(text: string): void {
    const lines = (this.#line + text).split('\n')
    this.#line = lines.pop() ?? ''
    const at = performance.now()
    for (const line of lines) {
      const value = parseObject(line)
      if (typeof value?.event === 'string') this.events.push({ ...value, event: value.event, at })
      else this.badLines.push(line)
    }
  }
}

export interface Finished extends Exit {
  stdout: string
  stderr: string
  events: ShoalEvent[]
  badLines: string[]
  /** The last event, which of a finite command is its result. */
  result: ShoalEvent
}

/** Runs a finite command to its end. */
export async function runShoal(
  args: string[],
  options: ShoalOptions & { timeoutMs?: number } = {},
): Promise<Finished> {
  const shoal = Shoal.start(args, { stdin: 'closed', ...options })
  const exit = await shoal.exitWithin(options.timeoutMs ?? 30_000)
  const events = shoal.events.items
  const result = events.at(-1) ?? { event: 'none', at: 0 }
  return { ...exit, stdout: shoal.stdout, stderr: shoal.stderr, events, badLines: shoal.badLines, result }
}

/** As `runShoal`, and fails with what it printed unless it exits 0. */
export async function mustRun(args: string[], options: ShoalOptions & { timeoutMs?: number } = {}) {
  const finished = await runShoal(args, options)
  if (finished.code !== 0)
    throw new Error(`shoal ${args.join(' ')} exited ${finished.code}: ${finished.stderr}${finished.stdout}`)
  return finished
}

function parseObject(line: string): { event?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

let sharedDataFolder: string | undefined

/** Where programs of this test file keep what they remember, so that none touches the user's own. */
function dataFolder(): string {
  if (sharedDataFolder === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'shoal-data-'))
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
    sharedDataFolder = folder
  }
  return sharedDataFolder
}

/** The test's environment without anything that would steer Shoal or colour its output. */
function cleanEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([key, value]) => value !== undefined && !/^(SHOAL_|NODE_|VITEST|FORCE_COLOR|XDG_)/.test(key),
  )
  const own = {
    NO_COLOR: '1',
    XDG_CACHE_HOME: dataFolder(),
    XDG_DATA_HOME: dataFolder(),
    XDG_STATE_HOME: dataFolder(),
  }
  return { ...(Object.fromEntries(kept) as Record<string, string>), ...own }
}
