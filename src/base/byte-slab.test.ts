import { expect, test } from 'vitest'
import { ByteSlab } from './byte-slab.ts'

test('what was taken is zero, of its length, at an even offset, and nobody else’s', () => {
  const slab = new ByteSlab()
  const taken: Uint8Array[] = []
  for (let i = 0; i < 3000; i++) {
    const bytes = slab.take(i % 41)
    expect(bytes).toEqual(new Uint8Array(i % 41))
    expect(bytes.byteOffset % 2).toBe(0)
    bytes.fill(i % 251)
    taken.push(bytes)
  }
  for (const [i, bytes] of taken.entries()) expect(bytes).toEqual(new Uint8Array(i % 41).fill(i % 251))
})

test('an array longer than a slab has one of its own', () => {
  const slab = new ByteSlab()
  slab.take(10)
  expect(slab.take(100_001)).toHaveLength(100_001)
  expect(slab.take(7)).toHaveLength(7)
})

test('the array taken last lies in the halves, from half its offset on', () => {
  const slab = new ByteSlab()
  for (const length of [6, 18, 5, 20_000, 4]) {
    const bytes = slab.take(length)
    slab.halves[bytes.byteOffset >> 1] = 0xabab
    expect([...bytes.subarray(0, 3)]).toEqual([0xab, 0xab, 0])
  }
})
