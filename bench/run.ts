/**
 * `npm run bench -- NAME [options]`: runs one benchmark of this folder. Without a name it runs `speedup`,
 * which is a requirement, and lists the others.
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'

const DEFAULT = 'speedup'
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== path.basename(import.meta.filename))
  .map((file) => path.basename(file, '.ts'))
const [name = DEFAULT, ...options] = process.argv.slice(2)

if (names.includes(name)) {
  process.exitCode = await run(path.join(import.meta.dirname, `${name}.ts`))
  if (process.argv.length === 2) console.log(`\nothers: npm run bench -- NAME, one of ${names.join(', ')}`)
} else {
  console.error(`usage: npm run bench -- NAME [options]\nbenchmarks: ${names.join(', ')}`)
  process.exitCode = 2
}

/** Its exit status. It is told when we are to end, and cleans up by itself. */
async function run(script: string): Promise<number> {
  const child = spawn(process.execPath, [script, ...options], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (status) => resolve(status ?? 1))
  })
}
