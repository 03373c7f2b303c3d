/**
 * Pictures drawn by arithmetic: waves, rings, cells, hills and weaves in random colours,
 * with a little film grain.
 * The same stream of chance always draws the same picture.
 */
import type { Prng } from '../base/prng.ts'

/** Brightness in [0, 1) at a place of the picture; both coordinates run from 0 to 1. */
type Pattern = (x: number, y: number) => number

const PATTERNS: readonly ((chance: Prng) => Pattern)[] = [waves, rings, cells, hills, weave]

/** Rows from the top, three bytes a pixel. */
export function drawPicture(width: number, height: number, chance: Prng): Uint8Array {
  const pattern = PATTERNS[chance.below(PATTERNS.length)]!(chance)
  const colours = gradient(chance)
  const grain = chance.bytes(4099)
  const grainMask = [1, 3, 7][chance.below(3)]!
  const pixels = new Uint8Array(width * height * 3)
  const scale = 1 / Math.max(width, height)
  let at = 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const colour = 3 * ((pattern(x * scale, y * scale) * 255.99) & 255)
      pixels[at] = colours[colour]! + (grain[at % 4099]! & grainMask)
      pixels[at + 1] = colours[colour + 1]! + (grain[(at + 1) % 4099]! & grainMask)
      pixels[at + 2] = colours[colour + 2]! + (grain[(at + 2) % 4099]! & grainMask)
      at += 3
    }
  }
  return pixels
}

/**
 * 256 colours along cosine curves, one for each channel (Quilez, "procedural palettes");
 * room is left for the grain.
 */
function gradient(chance: Prng): Uint8Array {
  const colours = new Uint8Array(3 * 256)
  for (let channel = 0; channel < 3; channel++) {
    const turns = 0.4 + 0.9 * chance.fraction()
    const phase = chance.fraction()
    for (let i = 0; i < 256; i++)
      colours[3 * i + channel] = 124 + 120 * Math.cos(2 * Math.PI * ((turns * i) / 256 + phase))
  }
  return colours
}

function waves(chance: Prng): Pattern {
  const [a, b, c, d] = [
    between(chance, 3, 12),
    between(chance, 3, 12),
    between(chance, 4, 18),
    chance.fraction() * 6,
  ]
  return (x, y) => wrap(0.5 + 0.25 * (Math.sin(a * x + d) + Math.sin(b * y - d) * Math.cos(c * (x + y))))
}

function rings(chance: Prng): Pattern {
  const centres = Array.from({ length: 3 }, () => [chance.fraction(), chance.fraction()] as const)
  const frequency = between(chance, 15, 60)
  return (x, y) => {
    let sum = 0
    for (const [cx, cy] of centres) sum += Math.sin(frequency * Math.hypot(x - cx, y - cy))
    return wrap(0.5 + sum / 6)
  }
}

function cells(chance: Prng): Pattern {
  const seeds = Array.from(
    { length: 14 },
    () => [chance.fraction(), chance.fraction(), chance.fraction()] as const,
  )
  return (x, y) => {
    let nearest = Infinity
    let shade = 0
    for (const [sx, sy, value] of seeds) {
      const distance = (x - sx) * (x - sx) + (y - sy) * (y - sy)
      if (distance >= nearest) continue
      nearest = distance
      shade = value
    }
    return wrap(0.8 * shade + Math.sqrt(nearest))
  }
}

function hills(chance: Prng): Pattern {
  const ridges = Array.from({ length: 5 }, (_, i) => ({
    height: 0.25 + 0.13 * i,
    wide: between(chance, 3, 9),
    narrow: between(chance, 15, 40),
    phase: 6 * chance.fraction(),
  }))
  return (x, y) => {
    let layer = 0
    for (const { height, wide, narrow, phase } of ridges)
      if (y > height + 0.06 * Math.sin(wide * x + phase) + 0.012 * Math.sin(narrow * x)) layer++
    return wrap(0.15 * layer + 0.12 * y)
  }
}

function weave(chance: Prng): Pattern {
  const threads = between(chance, 8, 30)
  const tilt = between(chance, -1, 1)
  return (x, y) => {
    const across = threads * (x + tilt * y)
    const along = threads * (y - tilt * x)
    const isOver = (Math.floor(across) + Math.floor(along)) & 1
    return wrap(0.2 + 0.35 * isOver + 0.3 * Math.abs(Math.sin(Math.PI * (isOver ? across : along))))
  }
}

function between(chance: Prng, low: number, high: number): number {
  return low + (high - low) * chance.fraction()
}

function wrap(value: number): number {
  return value - Math.floor(value)
}
