/**
 * RC, real third-party clients as Debian packs them: aria2, Transmission, rtorrent and libtorrent (through
 * its Python binding), each bound to one address, on loopback or in a private network, with everything off
 * that would leave it. A missing program fails the test with the line that installs it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { guardPid, onCleanUp, releasePid, temporaryFolder } from './clean-up.ts'
import type { PrivateNetwork } from './private-network.ts'
import { Recording, until, within } from './waiting.ts'

const PYTHON = '/usr/bin/python3'
const LIBTORRENT = join(dirname(fileURLToPath(import.meta.url)), 'libtorrent-peer.py')
const PROGRAMS = {
  aria2c: 'aria2',
  'transmission-daemon': 'transmission-daemon',
  'transmission-remote': 'transmission-cli',
  rtorrent: 'rtorrent',
}
/** In a private network, where nothing runs but what the test starts, no port is taken. */
const INNER_PORT = 6881

export interface ClientOptions {
  torrent: string
  dir: string
  host?: string
  /** Where it runs, at one of its addresses (`host`); default the network of the machine. */
  network?: PrivateNetwork
  /** Peers to dial; aria2 and Transmission learn peers from the tracker only. */
  peers?: string[]
  tracker?: string
  /** BEP 14, on the network of its address; rtorrent knows none. */
  localDiscovery?: boolean
  /** Transmission and aria2: BEP 11; libtorrent always does it. */
  peerExchange?: boolean
  /**
   * aria2 speaks to UDP trackers only with its DHT switched on; it gets one that knows
   * nobody. rtorrent has to be told.
   */
  udpTracker?: boolean
  downloadLimit?: number
  uploadLimit?: number
  /**
   * Default `none`. With `rc4` and `plain` it speaks encrypted only, both ways, and that is the stream after
   * the handshake; Transmission and rtorrent know only one of them as something to insist on: RC4.
   * `allowed`, of libtorrent: what it does when nobody sets anything.
   */
  encryption?: 'none' | 'allowed' | 'rc4' | 'plain'
}

/** A running client. `lines` is what it prints. */
export class RealClient {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly lines = new Recording<string>()
  readonly #child: ChildProcess
  readonly #exit: Promise<void>
  #rest = ''

  constructor(
    name: string,
    command: string,
    args: string[],
    host: string,
    port: number,
    {
      network,
      environment = {},
    }: { network?: PrivateNetwork | undefined; environment?: Record<string, string> } = {},
  ) {
    this.name = name
    this.host = host
    this.port = port
    const child = spawn(...(network?.command(command, args) ?? ([command, args] as const)), {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: temporaryFolder(name),
      env: { ...process.env, ...environment },
    })
    this.#child = child
    if (child.pid) guardPid(child.pid)
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        const lines = (this.#rest + text).split('\n')
        this.#rest = lines.pop() ?? ''
        for (const line of lines) this.lines.push(line)
      })
    this.#exit = new Promise((resolve) => {
      const gone = () => {
        if (child.pid) releasePid(child.pid)
        this.lines.end(`${name} ended; it said: ${this.lines.items.slice(-8).join(' | ')}`)
        resolve()
      }
      child.on('close', gone)
      child.on('error', gone)
    })
    onCleanUp(() => this.stop())
  }

  get address(): string {
    return `${this.host}:${this.port}`
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  line(pattern: RegExp, timeoutMs?: number): Promise<string> {
    return this.lines.first(`${pattern} of ${this.name}`, (line) => pattern.test(line), timeoutMs)
  }

  /** Waits until it has everything. */
  finished: (timeoutMs?: number) => Promise<unknown> = () => Promise.resolve()

  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child.kill(signal)
    await within(`end of ${this.name}`, this.#exit)
  }
}

/**
 * libtorrent 2.0: v1, v2 and hybrid, by torrent or magnet; dials `peers`. Returns once it
 * listens and has checked.
 */
export async function startLibtorrent(options: ClientOptions): Promise<RealClient> {
  needLibtorrent()
  const { host = '127.0.0.1' } = options
  const port = await clientPort(options)
  const args = [
    LIBTORRENT,
    'peer',
    options.torrent,
    options.dir,
    host,
    String(port),
    ...(options.peers ?? []),
  ]
  const environment: Record<string, string> = {
    ENCRYPTION: options.encryption ?? 'none',
    UPLOAD_LIMIT: String(options.uploadLimit ?? 0),
    DOWNLOAD_LIMIT: String(options.downloadLimit ?? 0),
    ...(options.localDiscovery ? { LOCAL_DISCOVERY: '1' } : {}),
  }
  const { network } = options
  const client = new RealClient('libtorrent', PYTHON, args, host, port, { network, environment })
  client.finished = (timeoutMs) => client.line(/"seeding"/, timeoutMs)
  await client.line(/"listening"/)
  if (!options.torrent.startsWith('magnet:')) await client.line(/"checked"/)
  return client
}

/**
 * aria2: v1, and the v1 side of hybrids under an infohash of its own. Checks what is in `dir`, fetches the
 * rest, then seeds for ever.
 */
export async function startAria2(options: ClientOptions): Promise<RealClient> {
  needProgram('aria2c')
  const { host = '127.0.0.1' } = options
  const port = await clientPort(options)
  const hook = join(temporaryFolder('hook'), 'done.sh')
  writeFileSync(hook, '#!/bin/sh\ntouch "$0.done"\n', { mode: 0o755 })
  const client = new RealClient(
    'aria2',
    'aria2c',
    [
      ...[
        '--no-conf=true',
        `--enable-dht=${options.udpTracker ?? false}`,
        '--enable-dht6=false',
        `--bt-enable-lpd=${options.localDiscovery ?? false}`,
        `--bt-lpd-interface=${host}`,
      ],
      `--enable-peer-exchange=${options.peerExchange ?? false}`,
      `--bt-require-crypto=${(options.encryption ?? 'none') !== 'none'}`,
      `--bt-min-crypto-level=${options.encryption === 'rc4' ? 'arc4' : 'plain'}`,
      ...[
        '--disable-ipv6=true',
        '--summary-interval=0',
        '--console-log-level=notice',
        '--file-allocation=none',
      ],
      ...['--follow-torrent=mem', '--seed-ratio=0.0', '--check-integrity=true', '--bt-hash-check-seed=true'],
      ...[
        '--allow-overwrite=true',
        '--bt-tracker-interval=2',
        `--interface=${host}`,
        `--listen-port=${port}`,
      ],
      `--dir=${options.dir}`,
      `--on-bt-download-complete=${hook}`,
      `--max-overall-download-limit=${options.downloadLimit ?? 0}`,
      `--max-overall-upload-limit=${options.uploadLimit ?? 0}`,
      ...(options.tracker ? [`--bt-tracker=${options.tracker}`] : []),
      ...(options.udpTracker ? udpOptions(port) : []),
      options.torrent,
    ],
    host,
    port,
    { network: options.network },
  )
  client.finished = (timeoutMs) =>
    until(
      'completed download of aria2',
      () => (exists(`${hook}.done`) ? true : stillRunning(client)),
      timeoutMs,
    )
  // no probing connection: aria2 bans the address of whoever connects and leaves
  await client.line(/listening on TCP port/)
  return client
}

function udpOptions(port: number): string[] {
  return [`--dht-listen-port=${port}`, `--dht-file-path=${join(temporaryFolder('dht'), 'dht.dat')}`]
}

/**
 * Transmission 3.00: v1. Its list of peers refuses 127.0.0.0/8, so on loopback the other side has to dial it;
 * in a private network it dials. It checks what is in `dir` first.
 */
export async function startTransmission(options: ClientOptions): Promise<RealClient> {
  needProgram('transmission-daemon')
  needProgram('transmission-remote')
  const { host = '127.0.0.1' } = options
  const port = await clientPort(options)
  const { network } = options
  const rpcPort = network ? 9091 : await freePort(host)
  const config = temporaryFolder('transmission')
  mkdirSync(join(config, 'torrents'), { recursive: true })
  const settings = {
    ...{ 'lpd-enabled': options.localDiscovery ?? false, 'pex-enabled': options.peerExchange ?? false },
    ...{ 'dht-enabled': false, 'utp-enabled': false },
    ...{
      'port-forwarding-enabled': false,
      encryption: options.encryption === 'rc4' ? 2 : 0,
      'bind-address-ipv4': host,
      'bind-address-ipv6': '::1',
    },
    ...{ 'peer-port': port, 'peer-port-random-on-start': false, 'rpc-enabled': true, 'rpc-port': rpcPort },
    ...{ 'rpc-bind-address': host, 'rpc-whitelist-enabled': false, 'rpc-host-whitelist-enabled': false },
    ...limitOf('up', options.uploadLimit),
    ...limitOf('down', options.downloadLimit),
    // what it has fetched is on disk at once
    'cache-size-mb': 0,
    ...{
      'download-dir': options.dir,
      'start-added-torrents': false,
      'rename-partial-files': false,
      umask: 18,
    },
  }
  writeFileSync(join(config, 'settings.json'), JSON.stringify(settings))
  const client = new RealClient('transmission', 'transmission-daemon', ['-f', '-g', config], host, port, {
    network,
  })
  const remote = (...words: string[]) => {
    const args = [`${host}:${rpcPort}`, ...words]
    const [program, all] = network?.command('transmission-remote', args) ?? ['transmission-remote', args]
    const { stdout, status } = spawnSync(program, all, { encoding: 'utf8', timeout: 10_000 })
    return status === 0 ? stdout : ''
  }
  await until('answer of Transmission', () => remote('-si') !== '', 20_000, 50)
  remote('-w', options.dir, '-a', options.torrent)
  remote('-t', '1', '-v')
  await until('check by Transmission', () => /State: Stopped/.test(remote('-t', '1', '-i')), 20_000, 50)
  remote('-t', '1', '-s')
  client.finished = (timeoutMs) =>
    until(
      'complete download of Transmission',
      () => /Percent Done: 100%/.test(remote('-t', '1', '-i')),
      timeoutMs,
      100,
    )
  return client
}

/** Transmission counts in units of 1000 bytes a second. */
function limitOf(way: 'up' | 'down', bytesPerSecond = 0): Record<string, unknown> {
  return {
    [`speed-limit-${way}-enabled`]: bytesPerSecond > 0,
    [`speed-limit-${way}`]: Math.ceil(bytesPerSecond / 1000),
  }
}

/**
 * rtorrent: v1, and hybrids as a v1 client sees them. Checks what is in `dir`; learns peers from the tracker.
 */
export async function startRtorrent(options: ClientOptions): Promise<RealClient> {
  needProgram('rtorrent')
  const { host = '127.0.0.1' } = options
  const port = await clientPort(options)
  const home = temporaryFolder('rtorrent')
  const done = join(home, 'done')
  const lines = [
    ...['system.daemon.set = true', `session.path.set = ${home}`, `directory.default.set = ${options.dir}`],
    ...[`network.bind_address.set = ${host}`, `network.local_address.set = ${host}`],
    ...[`network.port_range.set = ${port}-${port}`, 'network.port_random.set = no', 'dht.mode.set = disable'],
    'protocol.pex.set = no',
    `throttle.global_up.max_rate.set = ${options.uploadLimit ?? 0}`,
    `throttle.global_down.max_rate.set = ${options.downloadLimit ?? 0}`,
    `protocol.encryption.set = ${options.encryption === 'rc4' ? 'allow_incoming,try_outgoing,require,require_RC4' : 'none'}`,
    `trackers.use_udp.set = ${options.udpTracker ? 'yes' : 'no'}`,
    `method.set_key = event.download.finished,zz_done,"execute.nothrow=touch,${done}"`,
    `schedule2 = load,0,0,"load.start=${options.torrent}"`,
  ]
  writeFileSync(join(home, 'rc'), `${lines.join('\n')}\n`)
  const environment = { HOME: home, TERM: 'xterm' }
  const client = new RealClient('rtorrent', 'rtorrent', ['-n', '-o', `import=${home}/rc`], host, port, {
    network: options.network,
    environment,
  })
  client.finished = (timeoutMs) =>
    until('complete download of rtorrent', () => (exists(done) ? true : stillRunning(client)), timeoutMs)
  await until('open port of rtorrent', () =>
    accepts(host, port, options.network) ? true : stillRunning(client),
  )
  return client
}

/** What libtorrent makes of a torrent. */
export interface LibtorrentView {
  path: string
  error?: string
  v1: string | null
  v2: string | null
  name: string
  pieceLength: number
  pieces: number
  files: { path: string; length: number }[]
}

/** How libtorrent reads these .torrent files, in the same order. One process for all. */
export function libtorrentHashes(paths: string[]): LibtorrentView[] {
  return libtorrentBatch('hashes', paths)
}

export interface CreateJob {
  path: string
  pieceLength: number
  format: 'v1' | 'v2' | 'hybrid'
  align?: boolean
  /** Relative paths in the order of a v1 file list; the default is that of the file system. */
  order?: string[]
  output: string
}

/** Has libtorrent make torrents; one process for all. */
export function libtorrentCreate(
  jobs: CreateJob[],
): { output: string; v1: string | null; v2: string | null }[] {
  return libtorrentBatch(
    'create',
    jobs.map((job) => JSON.stringify(job)),
  )
}

function libtorrentBatch<T>(verb: string, lines: string[]): T[] {
  needLibtorrent()
  const { stdout, stderr, status } = spawnSync(PYTHON, [LIBTORRENT, verb], {
    input: lines.map((line) => `${line}\n`).join(''),
    encoding: 'utf8',
    timeout: 120_000,
    maxBuffer: 1 << 28,
    env: { ...process.env, PYTHONIOENCODING: 'utf-8:surrogateescape', LC_ALL: 'C.UTF-8' },
  })
  if (status !== 0) throw new Error(`libtorrent ${verb}: ${stderr}`)
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T)
}

function clientPort({ host, network }: ClientOptions): Promise<number> {
  return network ? Promise.resolve(INNER_PORT) : freePort(host)
}

/** A TCP port nobody listens on at the moment. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  const { port } = server.address() as { port: number }
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

export function needProgram(name: keyof typeof PROGRAMS): void {
  const found = (process.env.PATH ?? '').split(':').some((folder) => exists(join(folder, name)))
  if (!found) throw new Error(`${name} is missing: apt-get install ${PROGRAMS[name]}`)
}

function needLibtorrent(): void {
  if (!exists(PYTHON)) throw new Error(`${PYTHON} is missing: apt-get install python3-libtorrent`)
}

function exists(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** Whether somebody listens there, asked of the system and not of the listener. */
function accepts(host: string, port: number, network?: PrivateNetwork): boolean {
  const address = [...host.split('.')].reverse().map((part) => Number(part).toString(16).padStart(2, '0'))
  const wanted = `${address.join('')}:${port.toString(16).padStart(4, '0')}`.toUpperCase()
  const listening = new RegExp(`${wanted} 0+:0000 0A`)
  const sockets = (table: string) => network?.sockets(table) ?? readFileSync(`/proc/net/${table}`, 'latin1')
  return ['tcp', 'tcp6'].some((table) => listening.test(sockets(table)))
}

function stillRunning(client: RealClient): false {
  if (!client.isRunning) throw new Error(`${client.name} ended: ${client.lines.items.slice(-8).join(' | ')}`)
  return false
}
