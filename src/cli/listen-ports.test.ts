import { expect, test } from 'vitest'
import { portsToTry } from './listen-ports.ts'

test('a given port is the only one, counted on for further peers', () => {
  expect(portsToTry(7000)).toEqual([7000])
  expect(portsToTry(7000, 2)).toEqual([7002])
})

test('0 draws from the dynamic range', () => {
  const ports = portsToTry(0)
  expect(ports.every((port) => port >= 49_152 && port <= 65_535)).toBe(true)
  expect(portsToTry(0, 0, () => 0)[0]).toBe(49_152)
  expect(portsToTry(0, 0, () => 1 - Number.EPSILON)[0]).toBe(65_535)
})

test('auto begins with the customary nine', () => {
  const ports = portsToTry('auto')
  expect(ports.slice(0, 9)).toEqual([6881, 6882, 6883, 6884, 6885, 6886, 6887, 6888, 6889])
  expect(ports[9]).toBeGreaterThanOrEqual(49_152)
})
