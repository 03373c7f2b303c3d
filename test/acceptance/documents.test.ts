/**
 * The sample output in docs/session.md is what the program prints. Compared but for numbers, times and
 * hashes; with UPDATE_DOCS=1 the page is written instead.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { startOwnTracker } from '../kit/own-tracker.ts'
import { ALONE, mustRun, ROOT, Shoal } from '../kit/shoal.ts'
import { deterministicBytes } from '../kit/torrent-fixture.ts'
import { until } from '../kit/waiting.ts'

const PAGE = join(ROOT, 'docs', 'session.md')

/** What may differ: hashes, numbers with their units, and the spaces that align them. */
function withoutNumbers(text: string): string {
  return text
    .replace(/\b[0-9a-f]{40,64}\b/g, 'HASH')
    .replace(/\d+(\.\d+)?( ?([kMG]?B(\/s)?|m?s)\b)?/g, 'N')
    .replace(/ +/g, ' ')
    .trim()
}

/** Compares one section of the page, or writes it. */
function checkSection(title: string, about: string, transcript: string): void {
  const page = readFileSync(PAGE, 'utf8')
  const sections = page.split(/^## /m)
  const section = `${title}\n\n${about}\n\n\`\`\`\n${transcript.trim()}\n\`\`\`\n`
  if (process.env.UPDATE_DOCS !== '1') {
    const kept = sections.find((one) => one.startsWith(`${title}\n`)) ?? ''
    return expect(withoutNumbers(kept)).toBe(withoutNumbers(section))
  }
  const others = sections.slice(1).filter((one) => !one.startsWith(`${title}\n`))
  const parts = [sections[0], ...[...others, section].sort().map((one) => `## ${one}`)]
  writeFileSync(PAGE, `${parts.map((one) => one?.trim()).join('\n\n')}\n`)
}

test('L61 the demonstration runs as it is recorded', async () => {
  const { stdout } = await mustRun(['demo', '--images', '30'], { json: false, timeoutMs: 60_000 })
  const about =
    'The whole system on one machine: who got how many pieces from whom, and that all of it arrived.'
  checkSection('The demonstration', about, `$ shoal demo --images 30\n${stdout}`)
})

test('L62 the sample output of the documents is what the program prints', async () => {
  const tracker = await startOwnTracker()
  const url = `http://${tracker.http.host}:${tracker.http.port}`
  const root = temporaryFolder('session')
  for (const [name, files] of [
    ['Holiday at the sea', 5],
    ['Cats of our street', 3],
  ] as const) {
    mkdirSync(join(root, name))
    for (let i = 1; i <= files; i++)
      writeFileSync(join(root, name, `${i}.jpg`), deterministicBytes(`${name} ${i}`, 60_000))
  }
  const local = ['--host', '127.0.0.1', '--port', '0', ...ALONE]
  const paths = ['Holiday at the sea', 'Cats of our street']
  const share = Shoal.start(['share', ...paths, '--tag', 'pictures', '--tracker', url, ...local], {
    json: false,
    cwd: root,
  })
  await until('both to be announced', () => share.stdout.split('announced').length === 3)
  await until('the menu', () => share.stdout.includes('[Q] leave'))
  const told = (await mustRun(['ls', '--sort', 'number', '--tracker', url], { json: false })).stdout
  const get = await mustRun(['get', '2', '--dir', 'downloads', '--exit', '--tracker', url, ...local], {
    json: false,
    cwd: root,
  })
  await share.end('Q')
  const plain = (text: string) =>
    text
      .split('\n')
      // How far it is at some moment, and who is met, depends on the moment.
      .filter(
        (line) => !/^.*: \d+% |^[+-]peer|^magnet:|my address|announced|draining|no peers left/.test(line),
      )
      .join('\n')
      .replaceAll(url, 'http://127.0.0.1:6969')
      .replaceAll(root, '~')
  checkSection(
    'Listing and fetching',
    'Somebody shares two folders (next section); somebody else lists the catalog and fetches number 2.',
    `$ shoal ls\n${plain(told)}\n$ shoal get 2 --dir downloads --exit\n${plain(get.stdout)}`,
  )
  const shared = plain(share.stdout).split('\n').slice(0, 2).join('\n')
  const menu = plain(share.stdout)
    .split('\n')
    .filter((line) => /^registered|^\d+ librar|\[Q\]/.test(line))
  checkSection(
    'Sharing',
    'Two folders become two libraries in the catalog of the tracker. The menu fetches what others share.',
    `$ shoal share 'Holiday at the sea' 'Cats of our street' --tag pictures\n${shared}\n...\n${menu.join('\n')}`,
  )
})
