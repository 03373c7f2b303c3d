/**
 * Values as other programs read them: bytes as hex, big integers as numbers, no
 * infinities, nothing undefined.
 */
import { toHex } from '../base/bytes.ts'

export function plainValue(value: unknown): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Uint8Array) return toHex(value)
  if (value instanceof Set || Array.isArray(value)) return Array.from(value, plainValue)
  if (value instanceof Map) return plainFields(Object.fromEntries(value))
  if (typeof value === 'object') return plainFields(value)
  return null
}

function plainFields(object: object): Record<string, unknown> {
  const fields = Object.entries(object).filter(
    ([, value]) => value !== undefined && typeof value !== 'function',
  )
  return Object.fromEntries(fields.map(([key, value]) => [key, plainValue(value)]))
}
