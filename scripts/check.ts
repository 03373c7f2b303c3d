/**
 * `npm run check`: what to run after every change, in well under two minutes. One line per step with its
 * seconds; the output of a step is shown only when it fails. `--static` leaves the tests out (`npm test` runs
 * them with a report of its own).
 */
import { spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'

const root = join(import.meta.dirname, '..')

interface Step {
  readonly name: string
  /** Commands in order, each a program of node_modules/.bin and its arguments. */
  readonly commands: readonly (readonly string[])[]
}

const types: Step = {
  name: 'types',
  commands: [
    ['tsc', '-b', 'tsconfig.json'],
    ['tsc', '-p', 'tsconfig.tests.json'],
  ],
}
const style: Step = { name: 'style', commands: [['biome', 'check', '--error-on-warnings', '.']] }
const deadCode: Step = { name: 'dead code', commands: [['knip', '--no-progress', '--no-config-hints']] }
const tests: Step = {
  name: 'unit tests, tidy',
  commands: [['vitest', 'run', '--project', 'fast', '--reporter=dot']],
}

const results = await Promise.all([types, style, deadCode].map(run))
if (!process.argv.includes('--static')) results.push(await run(tests))
process.exitCode = results.includes(false) ? 1 : 0

async function run(step: Step): Promise<boolean> {
  const startedAt = performance.now()
  let output = ''
  for (const command of step.commands) {
    const { code, text } = await execute(command)
    if (code !== 0) output += text || `${command.join(' ')} ended with ${code}\n`
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)
  console.log(`${step.name.padEnd(18)}${output === '' ? 'ok    ' : 'FAILED'}${seconds} s`)
  if (output !== '') process.stdout.write(output)
  return output === ''
}

function execute([program, ...args]: readonly string[]): Promise<{ code: number | null; text: string }> {
  const bin = join(root, 'node_modules', '.bin')
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` }
  return new Promise((resolve) => {
    let text = ''
    const child = spawn(join(bin, program!), args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk))
    child.on('error', (error) => resolve({ code: null, text: `${error.message}\n` }))
    child.on('close', (code) => resolve({ code, text }))
  })
}
