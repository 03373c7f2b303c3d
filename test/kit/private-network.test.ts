import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { cleanUp, guardPid } from './clean-up.ts'
import { noPrivateNetwork, PrivateNetwork } from './private-network.ts'
import { NODE } from './shoal.ts'
import { until } from './waiting.ts'

/** Starts a program that guards itself against nothing, and resolves with its first line. */
async function firstLine(program: string, args: string[]) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  if (child.pid) guardPid(child.pid)
  const exit = new Promise((resolve) => child.once('close', resolve))
  let text = ''
  for await (const chunk of child.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    text += chunk
    if (text.includes('\n')) break
  }
  return { child, exit, line: text.split('\n')[0] ?? '' }
}

const LISTEN = `
  const { createServer } = require('node:net')
  const report = () => console.log(JSON.stringify({ pid: process.pid, names: Object.keys(require('node:os').networkInterfaces()) }))
  const servers = process.argv.slice(1).map((host) => createServer().listen(6881, host))
  Promise.all(servers.map((server) => new Promise((done) => server.on('listening', done)))).then(report)`

describe.skipIf(noPrivateNetwork !== undefined)('a private network', () => {
  test('has an address for each, no way out, and runs programs under the pid that was spawned', async () => {
    const network = await PrivateNetwork.create()
    const addresses = [network.address(), network.address(), network.address()]
    expect(new Set(addresses).size).toBe(3)
    const { child, exit, line } = await firstLine(...network.command(NODE, ['-e', LISTEN, ...addresses]))
    expect(JSON.parse(line)).toEqual({ pid: child.pid, names: ['lo', 'swarm'] })
    for (const address of addresses) {
      const reversed = Buffer.from(address.split('.').map(Number)).reverse().toString('hex').toUpperCase()
      expect(network.sockets('tcp')).toContain(`${reversed}:1AE1`)
    }
    child.kill()
    await exit
    const [, ...routes] = readFileSync(`/proc/${network.pid}/net/route`, 'utf8').trim().split('\n')
    expect(routes.map((route) => route.split('\t').slice(0, 2))).toEqual([
      ['swarm', '00004D0A'],
      ['swarm', '000000E0'],
    ])
  })

  test('ends with the test', async () => {
    const network = await PrivateNetwork.create()
    expect(existsSync(`/proc/${network.pid}/ns/net`)).toBe(true)
    await cleanUp()
    expect(existsSync(`/proc/${network.pid}/ns/net`)).toBe(false)
  })

  test('takes the programs inside along when the process that started them is killed', async () => {
    const network = await PrivateNetwork.create()
    const [program, args] = network.command('sleep', ['60'])
    const script = '"$@" & echo $!; wait'
    const { child, exit, line } = await firstLine('sh', ['-c', script, 'sh', program, ...args])
    const isThere = () => existsSync(`/proc/${line}/ns/net`)
    await until('program inside', () => readFileSync(`/proc/${line}/comm`, 'utf8') === 'sleep\n')
    child.kill('SIGKILL')
    await until('end of the program inside', () => !isThere())
    await exit
  })
})
