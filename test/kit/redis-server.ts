/** A Redis of the test's own: Debian's `redis-server` on a free port, without files. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { temporaryFolder } from './clean-up.ts'
import { until } from './waiting.ts'

export class RedisServer {
  readonly port: number
  #process: ChildProcess

  private constructor(port: number, process: ChildProcess) {
    this.port = port
    this.#process = process
  }

  /** @returns once it accepts connections; it ends with the test */
  static async start(): Promise<RedisServer> {
    const port = await freePort()
    const server = new RedisServer(port, await run(port))
    onTestFinished(() => server.kill())
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** What Redis answers to a command, as `redis-cli` shows it. */
  command(...words: string[]): string {
    return execFileSync('redis-cli', ['-p', String(this.port), ...words], {
      encoding: 'utf8',
      timeout: 10_000,
    })
  }

  /** SIGKILL: what it held is gone. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exit = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exit
  }

  /** It takes connections and answers nothing, until `resume`. */
  pause(): void {
    this.#process.kill('SIGSTOP')
  }

  resume(): void {
    this.#process.kill('SIGCONT')
  }

  /** On the same port, empty. */
  async startAgain(): Promise<void> {
    this.#process = await run(this.port)
  }
}

/** The least a cluster can be: three nodes, each with a third of the slots. @returns its URL */
export async function startRedisCluster(): Promise<string> {
  const folder = temporaryFolder('redis-cluster')
  const nodes: string[] = []
  for (let i = 0; i < 3; i++) {
    const port = await freePort()
    const own = ['--cluster-enabled', 'yes', '--cluster-config-file', join(folder, `nodes-${i}.conf`)]
    // The port between the nodes is this one plus 10,000 unless it is named.
    const child = await run(port, [...own, '--cluster-port', String(await freePort())])
    onTestFinished(() => void child.kill('SIGKILL'))
    nodes.push(`127.0.0.1:${port}`)
  }
  execFileSync('redis-cli', ['--cluster', 'create', ...nodes, '--cluster-yes'], { timeout: 60_000 })
  const isUp = (node: string) =>
    execFileSync('redis-cli', ['-p', node.split(':')[1]!, 'cluster', 'info']).includes('cluster_state:ok')
  await until('a cluster that is up', () => nodes.every(isUp))
  return `redis://${nodes.join(',')}`
}

async function run(port: number, more: readonly string[] = []): Promise<ChildProcess> {
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...more]
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  for await (const chunk of child.stdout!) {
    said += String(chunk)
    if (said.includes('Ready to accept connections')) break
  }
  if (!said.includes('Ready to accept connections')) throw new Error(`redis-server did not start:\n${said}`)
  return child
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}
