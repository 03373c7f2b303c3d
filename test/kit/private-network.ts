/**
 * A network of the test's own: a Linux network namespace with an address for each program that runs inside.
 * On loopback Transmission dials nobody and clients that tell peers apart by address see one peer; here every
 * program behaves as it does in a real network, and no packet gets out. The namespace belongs to a
 * holder process that reads the test's pipe: it ends when the test process does, however that ends, and so
 * do the programs inside (`setpriv --pdeathsig`); the kernel then takes the namespace away.
 *
 * Root makes one at once, others inside a user namespace. Where neither is allowed, `noPrivateNetwork` says
 * why, on standard error too, and tests skip themselves with it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll } from 'vitest'
import { CleanUpScope, guardPid, onCleanUp, releasePid } from './clean-up.ts'
import { Shoal } from './shoal.ts'
import { within } from './waiting.ts'

const HOSTS = 200
const PREFIX = '10.77.0.'

/**
 * Not every kernel has dummies: a bridge without ports serves as well. The addresses get a host part each in
 * one /24, as in a local network.
 */
const SET_UP = [
  'PATH=$PATH:/usr/sbin:/sbin',
  'ip link set lo up',
  'ip link add swarm type dummy 2>/dev/null || ip link add swarm type bridge',
  'ip link set swarm up multicast on',
  // Transmission joins groups wherever the system sends them
  'ip route add 224.0.0.0/4 dev swarm',
  `for n in $(seq 1 ${HOSTS}); do echo "addr add ${PREFIX}$n/24 dev swarm"; done | ip -batch -`,
].join(' && ')

const AS_ROOT = ['--net']
const AS_USER = ['--user', '--map-root-user', '--net']

/** How this process may make a namespace, or why not. */
function findWay(): { flags: string[] } | { reason: string } {
  let reason = ''
  for (const flags of process.getuid?.() === 0 ? [AS_ROOT, AS_USER] : [AS_USER]) {
    const tried = spawnSync('unshare', [...flags, 'sh', '-c', SET_UP], { encoding: 'utf8', timeout: 10_000 })
    if (tried.status === 0) return { flags }
    reason = (tried.stderr?.trim() || tried.error?.message) ?? `exit ${tried.status}`
  }
  return { reason }
}

const way = findWay()

/** Why tests that need a private network are skipped; undefined where they run. */
export const noPrivateNetwork = 'reason' in way ? way.reason : undefined
if (noPrivateNetwork !== undefined)
  console.error(`shoal: no network namespace here, its tests are skipped: ${noPrivateNetwork}`)

export class PrivateNetwork {
  readonly #holder: ChildProcess
  readonly #enter: string[]
  #next = 1

  private constructor(holder: ChildProcess) {
    this.#holder = holder
    this.#enter = [
      '--target',
      String(this.pid),
      '--net',
      ...(needsUser() ? ['--user', '--preserve-credentials'] : []),
    ]
  }

  /** Makes one that goes away with the test, or with the scope it is made in. */
  static async create(): Promise<PrivateNetwork> {
    if ('reason' in way) throw new Error(`no network namespace: ${way.reason}`)
    const holder = spawn('unshare', [...way.flags, 'sh', '-c', `${SET_UP} && echo ready && exec cat`])
    const { pid } = holder
    if (pid) guardPid(pid)
    const exit = new Promise<void>((resolve) => {
      holder.on('close', () => {
        if (pid) releasePid(pid)
        resolve()
      })
    })
    onCleanUp(async () => {
      holder.stdin.end()
      await within('end of the network namespace', exit)
    })
    let words = ''
    holder.stderr.on('data', (data: Buffer) => {
      words += data.toString()
    })
    await within(
      'network namespace',
      new Promise<void>((resolve, reject) => {
        holder.stdout.once('data', () => resolve())
        holder.once('close', () => reject(new Error(`no network namespace: ${words}`)))
      }),
    )
    return new PrivateNetwork(holder)
  }

  /** Of the holder, which ends when its standard input does. */
  get pid(): number {
    return this.#holder.pid ?? 0
  }

  /** An address that nobody here has got yet. */
  address(): string {
    if (this.#next > HOSTS) throw new Error(`a private network has ${HOSTS} addresses`)
    return `${PREFIX}${this.#next++}`
  }

  /** What to spawn so that `program` runs inside, under the pid of the spawned process. */
  command(program: string, args: string[]): [string, string[]] {
    return ['nsenter', [...this.#enter, '--', 'setpriv', '--pdeathsig', 'KILL', '--', program, ...args]]
  }

  /** The kernel's table of sockets inside, `tcp` or `tcp6`. */
  sockets(table: string): string {
    return readFileSync(`/proc/${this.pid}/net/${table}`, 'latin1')
  }
}

function needsUser(): boolean {
  return 'flags' in way && way.flags.includes('--user')
}

export interface SharedNetwork {
  readonly network: PrivateNetwork
  /** Announce URL of a `shoal tracker` inside. */
  readonly tracker: string
  readonly trackerProcess: Shoal
}

/**
 * One network with a Shoal tracker inside for all tests of a file or `describe`, which may run at the same
 * time. The object is filled before the first of them.
 */
export function shareNetwork(...trackerArgs: string[]): SharedNetwork {
  const shared = {} as { -readonly [K in keyof SharedNetwork]: SharedNetwork[K] }
  const scope = new CleanUpScope()
  beforeAll(() =>
    scope.run(async () => {
      shared.network = await PrivateNetwork.create()
      const host = shared.network.address()
      const args = ['--host', host, '--port', '6969', '--interval', '2s', '--heartbeat', 'off']
      const options = { network: shared.network }
      shared.trackerProcess = Shoal.start(['tracker', ...args, ...trackerArgs], options)
      await shared.trackerProcess.event('listening', ({ service }) => service === 'tracker')
      shared.tracker = `http://${host}:6969/announce`
    }),
  )
  afterAll(() => scope.end())
  return shared
}
