/** Every target over its crashers, its seeds and the same few thousand mutations each time. */
import { describe, expect, test } from 'vitest'
import { inputsFor, loadTargets } from './fuzzer.ts'

const SEED = 20_260_101
const INPUT_COUNT = 4000
/** Far above what any input of 16 KiB may take; a decoder that needs it has lost its bounds. */
const HANG_MS = 5000

describe.each(await loadTargets())('$name', (target) => {
  test('keeps its promises on every input', () => {
    const inputs = inputsFor(target, SEED)
    for (let i = 0; i < INPUT_COUNT; i++) {
      const input = inputs.next().value as Uint8Array
      const startedAt = performance.now()
      try {
        target.run(input)
      } catch (cause) {
        throw new Error(`input ${i}: ${Buffer.from(input).toString('base64')}`, { cause })
      }
      expect(performance.now() - startedAt, `input ${i} hangs`).toBeLessThan(HANG_MS)
    }
  })
})

test('the same seed gives the same inputs', () => {
  const target = { name: 'none', seeds: () => [Uint8Array.of(1, 2, 3)], run: () => undefined }
  const first = inputsFor(target, SEED)
  const second = inputsFor(target, SEED)
  for (let i = 0; i < 100; i++) expect(first.next().value).toEqual(second.next().value)
})
