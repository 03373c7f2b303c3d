/**
 * Mutation fuzzing of the decoders. A target is a file in `targets/` whose default export is a `FuzzTarget`;
 * it takes part by being there. Same seed, same inputs. An input that made a target throw is kept in
 * `crashers/TARGET/` and is run first from then on.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Prng } from '../../src/base/prng.ts'

export interface FuzzTarget {
  readonly name: string
  /** Valid inputs, small ones, that together reach every branch. */
  seeds(): Uint8Array[]
  /** Throws when the decoder breaks a promise; a decoder that throws has broken one. */
  run(bytes: Uint8Array): void
}

const TARGETS = join(import.meta.dirname, 'targets')
export const CRASHERS = join(import.meta.dirname, 'crashers')

/** Longest input made; what breaks on longer ones is a matter of limits. */
const INPUT_BYTES_MAX = 16 * 1024
/** Bytes and numbers that grammars and lengths stumble over. */
const TOKENS = [
  '0',
  '-1',
  '-0',
  '00',
  '9',
  'e',
  'd',
  'l',
  'i',
  ':',
  'de',
  'le',
  'i0e',
  '0:',
  '../',
  '\0',
  '%',
  '&',
  '=',
].concat(['255', '16384', '65536', '2147483648', '4294967296', '9007199254740993', '18446744073709551616'])
const POOL_MAX = 256

export async function loadTargets(): Promise<FuzzTarget[]> {
  const files = readdirSync(TARGETS)
    .filter((file) => file.endsWith('.ts'))
    .sort()
  return Promise.all(
    files.map(async (file) => {
      const { default: target } = (await import(join(TARGETS, file))) as { default: FuzzTarget }
      if (target.name !== basename(file, '.ts'))
        throw new Error(`${file} exports a target called ${target.name}`)
      return target
    }),
  )
}

/** Inputs that once broke the target. */
export function crashersOf(target: FuzzTarget): Uint8Array[] {
  const folder = join(CRASHERS, target.name)
  return existsSync(folder)
    ? readdirSync(folder).map((file) => new Uint8Array(readFileSync(join(folder, file))))
    : []
}

/** Keeps an input; gives the path of its file. */
export function keepCrasher(target: FuzzTarget, input: Uint8Array): string {
  const file = join(CRASHERS, target.name, createHash('sha256').update(input).digest('hex').slice(0, 16))
  mkdirSync(join(CRASHERS, target.name), { recursive: true })
  writeFileSync(file, input)
  return file
}

/**
 * Endless inputs for a target: its crashers and seeds as they are, then mutations of them and of each other.
 */
export function* inputsFor(target: FuzzTarget, seed: number): Generator<Uint8Array> {
  const prng = new Prng(seed).fork(target.name)
  const pool = [...crashersOf(target), ...target.seeds(), new Uint8Array(0)]
  yield* pool
  while (true) {
    let input = pool[prng.below(pool.length)]!
    for (let i = prng.below(4); i >= 0; i--) input = mutate(input, pool, prng).slice(0, INPUT_BYTES_MAX)
    // A mutation is mutated further now and then, so that inputs wander away from the seeds.
    if (prng.below(50) === 0 && pool.length < POOL_MAX) pool.push(input)
    yield input
  }
}

function mutate(input: Uint8Array, pool: readonly Uint8Array[], prng: Prng): Uint8Array {
  const at = prng.below(input.length + 1)
  const end = at + prng.below(Math.min(input.length - at, 64) + 1)
  switch (prng.below(8)) {
    case 0:
      return spliced(input, at, at + 1, Uint8Array.of(prng.uint32()))
    case 1:
      return spliced(input, at, at + 1, Uint8Array.of((input[at] ?? 0) ^ (1 << prng.below(8))))
    case 2:
      return spliced(input, at, end, new Uint8Array(0))
    case 3:
      return spliced(input, end, end, input.subarray(at, end))
    case 4:
      return input.subarray(0, at)
    case 5: {
      const other = pool[prng.below(pool.length)]!
      const from = prng.below(other.length + 1)
      return spliced(input, at, end, other.subarray(from, from + prng.below(64)))
    }
    case 6:
      return withNumber(input, at, prng)
    default:
      return spliced(input, at, prng.below(2) === 0 ? at : end, token(prng))
  }
}

/** Another number in place of the digits at or after `at`, where lengths and values are text. */
function withNumber(input: Uint8Array, at: number, prng: Prng): Uint8Array {
  let start = at
  while (start < input.length && !isDigit(input[start]!)) start++
  let end = start
  while (end < input.length && isDigit(input[end]!)) end++
  const value = Number(Buffer.from(input.subarray(start, end)).toString('latin1'))
  const other = prng.below(2) === 0 ? String(value + prng.below(5) - 2) : undefined
  return spliced(input, start, end, other === undefined ? token(prng) : new Uint8Array(Buffer.from(other)))
}

function token(prng: Prng): Uint8Array {
  return new Uint8Array(Buffer.from(TOKENS[prng.below(TOKENS.length)]!, 'latin1'))
}

function spliced(input: Uint8Array, start: number, end: number, inserted: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([input.subarray(0, start), inserted, input.subarray(end)]))
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}
