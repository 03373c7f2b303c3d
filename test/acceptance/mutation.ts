/**
 * The wire's own unit tests on a copy of the sources in which one message byte is wrong. Whoever changes a
 * number of the protocol must hear of it. The copy keeps only what the wire needs.
 */
import { spawn } from 'node:child_process'
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { guardPid, releasePid, temporaryFolder } from '../kit/clean-up.ts'
import { NODE, ROOT } from '../kit/shoal.ts'

/** One number each of the table of message types. */
const MUTATIONS = [
  [/\brequest: 6\b/, 'request: 24'],
  [/\bhave: 4\b/, 'have: 5'],
] as const

/** Exit statuses of the wire tests: as they are, and with each mutation. */
export async function mutatedWireTests(): Promise<{ healthy: number | null; mutated: (number | null)[] }> {
  const [healthy, ...mutated] = await Promise.all([
    wireTests(),
    ...MUTATIONS.map(([pattern, replacement]) => wireTests(pattern, replacement)),
  ])
  return { healthy: healthy ?? null, mutated }
}

function wireTests(pattern?: RegExp, replacement = ''): Promise<number | null> {
  const copy = temporaryFolder('mutant')
  for (const folder of ['base', 'wire'])
    cpSync(join(ROOT, 'src', folder), join(copy, 'src', folder), { recursive: true })
  writeFileSync(join(copy, 'package.json'), '{ "type": "module" }')
  cpSync(join(ROOT, 'tsconfig.base.json'), join(copy, 'tsconfig.base.json'))
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  const messages = join(copy, 'src', 'wire', 'peer-messages.ts')
  const source = readFileSync(messages, 'utf8')
  if (pattern && !pattern.test(source)) throw new Error(`there is no ${pattern} in peer-messages.ts`)
  if (pattern) writeFileSync(messages, source.replace(pattern, replacement))
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs')
  const child = spawn(
    NODE,
    [vitest, 'run', '--root', copy, '--reporter', 'dot', 'peer-messages', 'frame-reader'],
    {
      cwd: copy,
      stdio: 'ignore',
      env: { PATH: process.env.PATH, HOME: copy },
      timeout: 60_000,
    },
  )
  const { pid = 0 } = child
  guardPid(pid)
  return new Promise((resolve) => {
    child.on('close', (code) => {
      releasePid(pid)
      resolve(code)
    })
    child.on('error', () => resolve(null))
  })
}
