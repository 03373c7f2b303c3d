/** SHA-1 can be made to collide, so whoever looks at a torrent is told what it rests on (S11). */
import { expect, test } from 'vitest'
import { mustRun } from '../kit/shoal.ts'
import { stage } from '../kit/stage.ts'

test.each([
  ['v1', /^hashes: SHA-1 only/m],
  ['v2', /^hashes: SHA-256$/m],
  ['hybrid', /^hashes: SHA-1 and SHA-256$/m],
] as const)('S11 info of a %s torrent says what its hashes are', async (format, line) => {
  const { file } = stage({ format })
  const { stdout } = await mustRun(['info', file], { json: false })
  expect(stdout).toMatch(line)
})
