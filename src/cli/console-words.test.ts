import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { ConsoleWords, STOP_WORDS } from './console-words.ts'
import { Output } from './output.ts'

function session(isTTY = false) {
  const input = Object.assign(new PassThrough(), { isTTY, setRawMode: () => input })
  const said: string[] = []
  let stops = 0
  const stream = { isTTY, write: (text: string) => said.push(text) > 0 }
  const verbose = { tracker: 0, serve: 0, fetch: 0 }
  const output = new Output({
    json: false,
    quiet: false,
    verbose,
    stdout: stream,
    stderr: stream,
    environment: {},
  })
  const words = new ConsoleWords({ input, output, stop: () => stops++, interrupt: () => {} })
  let ran = 0
  words.listen([{ word: 'status', about: 'how it stands', run: () => ran++ }])
  const type = async (text: string) => {
    input.write(text)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { input, words, type, said: () => said.join(''), stops: () => stops, ran: () => ran }
}

describe.each([
  ['a pipe', false],
  ['a terminal', true],
])('words from %s', (_, isTTY) => {
  test.each(STOP_WORDS)('%s says bye and stops', async (word) => {
    const { type, said, stops } = session(isTTY)
    await type(`${word}\n`)
    expect(said()).toContain('bye\n')
    expect(stops()).toBe(1)
  })

  test('a word of the command is obeyed, any other prints the help, an empty line nothing', async () => {
    const { type, said, stops, ran } = session(isTTY)
    await type('status\n\n  status  \n')
    expect(ran()).toBe(2)
    expect(said()).not.toContain('stop in good order')
    await type('frobnicate\n')
    expect(said()).toMatch(
      /unknown command frobnicate\n[\s\S]* +status +how it stands[\s\S]*end, quit, q, Q +stop in good order/,
    )
    expect(stops()).toBe(0)
  })
})

test('a closed standard input stops nothing', async () => {
  const { input, stops, words } = session()
  input.end()
  await new Promise((resolve) => setImmediate(resolve))
  expect(stops()).toBe(0)
  words.close()
  words.close()
})
