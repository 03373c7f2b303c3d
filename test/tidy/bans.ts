/**
 * What ES2023 offers and code below the edge must not touch, each with what to use instead. The compiler
 * already refuses what is not ES2023 (timers, Buffer, fetch); it is listed here as well because the message
 * then names the replacement.
 */
import { codeOnly } from './source-text.ts'

interface Ban {
  readonly pattern: RegExp
  readonly name: string
  readonly instead: string
}

const CLOCK = 'time comes in as the argument `now` (src/base/time.ts)'
const TIMERS = 'say when with `nextTimeout()` and be called with a tick (src/base/machine.ts)'
const EFFECTS =
  'put the work out as an effect of `poll()` and take its completion as an input (src/base/machine.ts)'

export const BANS: readonly Ban[] = [
  { pattern: /\bDate\s*\.\s*now\b/, name: 'Date.now', instead: CLOCK },
  {
    pattern: /\bnew\s+Date\b/,
    name: 'new Date',
    instead: 'wall time comes in as data; inside there is only `Instant`',
  },
  { pattern: /\bperformance\b/, name: 'performance', instead: CLOCK },
  {
    pattern: /\bMath\s*\.\s*random\b/,
    name: 'Math.random',
    instead: 'draw from `env.prng.fork(label)` (src/base/prng.ts)',
  },
  { pattern: /\bsetTimeout\b/, name: 'setTimeout', instead: TIMERS },
  { pattern: /\bsetInterval\b/, name: 'setInterval', instead: TIMERS },
  { pattern: /\bsetImmediate\b/, name: 'setImmediate', instead: TIMERS },
  { pattern: /\bqueueMicrotask\b/, name: 'queueMicrotask', instead: TIMERS },
  { pattern: /\bPromise\b/, name: 'Promise', instead: EFFECTS },
  { pattern: /\basync\b/, name: 'async', instead: EFFECTS },
  { pattern: /\bawait\b/, name: 'await', instead: EFFECTS },
  { pattern: /\bfetch\s*\(/, name: 'fetch', instead: EFFECTS },
  {
    pattern: /\blocaleCompare\b|\btoLocale\w+\b|\bIntl\b/,
    name: 'locale',
    instead: 'it differs between machines: compare bytes (`compareBytes`, src/base/bytes.ts)',
  },
  {
    pattern: /\bWeakRef\b|\bFinalizationRegistry\b/,
    name: 'garbage collection',
    instead: 'it happens at no fixed time: release things where they end',
  },
]

/** One line for each use of something banned: `file:line: name: instead`. */
export function findBanned(file: string, source: string): string[] {
  return codeOnly(source)
    .split('\n')
    .flatMap((line, index) =>
      BANS.filter(({ pattern }) => pattern.test(line)).map(
        ({ name, instead }) => `${file}:${index + 1}: ${name}: ${instead}`,
      ),
    )
}
