/**
 * `npm run fuzz -- TARGET... [--seconds 60] [--seed N]`: longer than the test, each time with inputs of its
 * own. Without a target it takes every one in turn. An input that breaks a target, or from which it does not
 * come back, is kept in `test/fuzz/crashers/`; memory that grows is told. The exit status is then 1, after a
 * hang that of a killed process.
 */
import { randomInt } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { CRASHERS, type FuzzTarget, inputsFor, keepCrasher, loadTargets } from '../test/fuzz/fuzzer.ts'
import { HangWatch } from '../test/fuzz/hang-watch.ts'

/**
 * What a target may keep of all its inputs: far more than its bounds, far less than a leak makes of hours.
 */
const GROWTH_BYTES_MAX = 32 * 1024 * 1024
/** By then caches are full and code is compiled. */
const WARM_INPUTS = 5000
/** Node gives up memory outside its heap, such as that of hashes, only between turns of its loop. */
const TURN_INPUTS = 500

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
})
const seconds = Number(values.seconds)
const seed = Number(values.seed ?? randomInt(2 ** 32))
const targets = await loadTargets()
const watch = new HangWatch(CRASHERS)
const names = targets.map(({ name }) => name)
const unknown = positionals.find((name) => !names.includes(name))

if (unknown !== undefined || !(seconds > 0) || !Number.isInteger(seed)) {
  console.error(unknown === undefined ? '--seconds and --seed take numbers' : `there is no target ${unknown}`)
  console.error(`usage: npm run fuzz -- TARGET... [--seconds N] [--seed N]; targets: ${names.join(', ')}`)
  process.exitCode = 2
} else {
  const chosen = positionals.length === 0 ? targets : targets.filter(({ name }) => positionals.includes(name))
  for (const target of chosen)
    if (!(await fuzz(target, (1000 * seconds) / chosen.length))) process.exitCode = 1
}

async function fuzz(target: FuzzTarget, milliseconds: number): Promise<boolean> {
  const until = performance.now() + milliseconds
  let count = 0
  let usedBefore: number | undefined
  for (const input of inputsFor(target, seed)) {
    if (count === WARM_INPUTS) usedBefore = await usedMemory()
    watch.begins(target.name, input)
    try {
      target.run(input)
    } catch (error) {
      console.error(`${target.name}: ${keepCrasher(target, input)}\n`, error)
      return false
    }
    count++
    if (count % TURN_INPUTS === 0) await nextTurn()
    if (performance.now() > until) break
  }
  const growth = usedBefore === undefined ? 0 : (await usedMemory()) - usedBefore
  const grown = `${(growth / 1024 / 1024).toFixed(1)} MiB more in use`
  console.log(`${target.name}: ${count} inputs, seed ${seed}, ${grown}`)
  return growth < GROWTH_BYTES_MAX
}

/**
 * Bytes in use of the heap and outside it, collected twice: what frees memory outside has a turn of its own.
 */
async function usedMemory(): Promise<number> {
  for (let round = 0; round < 2; round++) {
    collectGarbage()
    await nextTurn()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
