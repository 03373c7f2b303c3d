/**
 * Which ports a peer tries: the one it was given; for 0 random ones of the dynamic range (RFC 6335); for
 * `auto` first the nine that BitTorrent clients have always used, then like 0.
 */
import type { Settings } from './settings.ts'

const CUSTOMARY = { first: 6881, last: 6889 }
const DYNAMIC = { first: 49_152, last: 65_535 }
/** Enough that all being taken means something else is wrong. */
const DRAWS = 64

/** @param offset for the second, third... peer of one command */
export function portsToTry(
  setting: Settings['port'],
  offset = 0,
  random: () => number = Math.random,
): number[] {
  if (setting === 'auto') return [...range(CUSTOMARY.first, CUSTOMARY.last), ...draws(random)]
  if (setting === 0) return draws(random)
  return [setting + offset]
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

function draws(random: () => number): number[] {
  return Array.from(
    { length: DRAWS },
    () => DYNAMIC.first + Math.floor(random() * (DYNAMIC.last - DYNAMIC.first + 1)),
  )
}
