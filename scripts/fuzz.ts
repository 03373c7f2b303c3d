/**
 * `npm run fuzz -- TARGET... [--seconds 60] [--seed N]`: longer than the test, each time with inputs of its
 * own. Without a target it takes every one in turn. An input that breaks a target is kept in
 * `test/fuzz/crashers/` and the exit status is 1.
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { type FuzzTarget, inputsFor, keepCrasher, loadTargets } from '../test/fuzz/fuzzer.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
})
const seconds = Number(values.seconds)
const seed = Number(values.seed ?? randomInt(2 ** 32))
const targets = await loadTargets()
const names = targets.map(({ name }) => name)
const unknown = positionals.find((name) => !names.includes(name))

if (unknown !== undefined || !(seconds > 0) || !Number.isInteger(seed)) {
  console.error(unknown === undefined ? '--seconds and --seed take numbers' : `there is no target ${unknown}`)
  console.error(`usage: npm run fuzz -- TARGET... [--seconds N] [--seed N]; targets: ${names.join(', ')}`)
  process.exitCode = 2
} else {
  const chosen = positionals.length === 0 ? targets : targets.filter(({ name }) => positionals.includes(name))
  for (const target of chosen) if (!fuzz(target, (1000 * seconds) / chosen.length)) process.exitCode = 1
}

function fuzz(target: FuzzTarget, milliseconds: number): boolean {
  const until = performance.now() + milliseconds
  let count = 0
  for (const input of inputsFor(target, seed)) {
    try {
      target.run(input)
    } catch (error) {
      console.error(`${target.name}: ${keepCrasher(target, input)}\n`, error)
      return false
    }
    count++
    if (performance.now() > until) break
  }
  console.log(`${target.name}: ${count} inputs, seed ${seed}`)
  return true
}
