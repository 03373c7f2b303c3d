/**
 * Requirement L10 of the `lab` system: every option is checked, and odd ones work or are refused in one line.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../kit/clean-up.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { type Finished, mustRun, runShoal, type ShoalEvent } from '../kit/shoal.ts'
import { peerArguments, stage } from '../kit/stage.ts'

const AT_ONCE = 4
const NONSENSE = ['', '-1', 'NaN', '1e99', '0x10', 'two', '9'.repeat(400), '\u202e7', '1;rm']

/** Runs them a few at a time; each must end by itself within the time that `runShoal` gives. */
async function runAll(all: readonly string[][]): Promise<Map<string, Finished>> {
  const results = new Map<string, Finished>()
  const queue = [...all]
  const work = async (): Promise<void> => {
    for (let args = queue.shift(); args; args = queue.shift())
      results.set(args.join(' '), await runShoal(args, { json: false, timeoutMs: 30_000 }))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return results
}

/** One line that says what is wrong and one that says what to do. */
function isRefusal({ code, stderr }: Finished): boolean {
  const [message = '', hint = '', ...rest] = stderr.trimEnd().split('\n')
  return code === 2 && message.startsWith('error: ') && hint.startsWith('hint: ') && rest.length === 0
}

/** The settings that are numbers, as the program itself lists them. */
async function numbers(): Promise<ShoalEvent[]> {
  const { events } = await mustRun(['config'])
  return events.filter(({ event, min }) => event === 'setting' && min !== null)
}

function spelt({ unit }: ShoalEvent, value: number): string {
  return unit === 'seconds' ? `${Math.round(value * 1000)}ms` : String(Math.floor(value))
}

test('L10 what is beyond a range, or no number at all, is refused in one line', async () => {
  const settings = await numbers()
  expect(settings.length).toBeGreaterThan(20)
  const runs = settings.flatMap((setting) => {
    const { flag, name, min, max } = setting
    const command = name === 'tracker-port' ? 'tracker' : 'config'
    const beyond = [
      ...(min > 0 ? [spelt(setting, min * 0.9)] : []),
      ...(max === null ? [] : [spelt(setting, max * 2)]),
    ]
    // every value once is enough; all of them for each would take minutes
    const nonsense = NONSENSE[settings.indexOf(setting) % NONSENSE.length] ?? ''
    return [...beyond, nonsense].map((value) => [command, `${flag}=${value}`])
  })
  const others = [
    '--host=300.1.1.1',
    '--peer=nowhere',
    '--peer=127.0.0.1:0',
    '--tracker=ftp://127.0.0.1/a',
    '--picker=last',
  ]
  const results = await runAll([...runs, ...others.map((option) => ['config', option])])
  const wrong = [...results].filter(([, finished]) => !isRefusal(finished))
  expect(wrong.map(([args, { code, stderr }]) => `${args}: ${code} ${stderr}`)).toEqual([])
  const pieceLength = [...results].find(([args]) => args.startsWith('config --piece-length=1474'))?.[1]
  expect(pieceLength?.stderr).toMatch(/^error: --piece-length must be >= 16KiB/)
})

test('L10 options that contradict one another are refused with the reason', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'a'), 'a')
  const runs = [
    ['config', '--no-tracker', '--require-tracker'],
    ['config', '--no-tracker', '--tracker', 'http://127.0.0.1:1/announce'],
    ['config', '--one-at-a-time', '--upload-slots', '5'],
    ['config', '--align', '--format', 'v2'],
    ['create', folder, '--piece-length', '20000', '--format', 'hybrid'],
    ['get', join(folder, 'a'), '--exit', '--seed-only'],
  ]
  const results = await runAll(runs)
  for (const [args, finished] of results)
    expect(isRefusal(finished), `${args}: ${finished.stderr}`).toBe(true)
  for (const [args, { stderr }] of results)
    expect(stderr, args).toMatch(/contradict one another|must be a power of two/)
})

test('L10 the ends of every range work', async () => {
  const { file, source, folder, torrent } = stage({ files: { 'a.bin': 1500 }, pieceLength: 16_384 })
  const seeder = await FakePeer.listen(torrent)
  const { stdout: help } = await mustRun(['get', '--help'], { json: false })
  // --port is its own matter: 0 is what all tests use, 65535 may be taken
  const settings = (await numbers()).filter(({ flag }) => help.includes(`${flag} <`) && flag !== '--port')
  expect(settings.length).toBeGreaterThan(10)
  const runs = settings.flatMap((setting) =>
    [setting.min, setting.max ?? 2 ** 40].map((value: number) => {
      const option = `${setting.flag}=${spelt(setting, value)}`
      const extra = ['turn-limit', 'wait-limit'].includes(setting.name) ? ['--one-at-a-time'] : []
      const args = [...peerArguments({ peers: [seeder], args: ['--exit', option, ...extra] })]
      return ['get', file, '--dir', folder(`${setting.name}-${value}`), ...args]
    }),
  )
  const results = await runAll(runs)
  const failed = [...results].filter(([, { code }]) => code !== 0)
  expect(failed.map(([args, { code, stderr }]) => `${args}: ${code} ${stderr}`)).toEqual([])
  for (const pieceLength of ['16KiB', '512MiB'])
    await mustRun([
      'create',
      join(source, torrent.name),
      '-o',
      join(source, pieceLength),
      '--piece-length',
      pieceLength,
    ])
})

test('L10 all the smallest together, and all the largest, still complete', async () => {
  const { file, folder, torrent } = stage({ files: { 'a.bin': 40_000 }, pieceLength: 16_384 })
  const seeder = await FakePeer.listen(torrent)
  const small = ['--max-peers=1', '--max-requests=1', '--pieces-per-peer=1', '--upload-slots=1']
  const large = [
    '--max-peers=10000',
    '--max-requests=100000',
    '--pieces-per-peer=1024',
    '--upload-slots=10000',
  ]
  const odd = [
    '--one-at-a-time',
    '--upload-delay=60s',
    '--turn-limit=1s',
    '--idle-timeout=1s',
    '--max-peers=1',
  ]
  const runs = [small, large, odd].map((args, i) => {
    const options = peerArguments({ peers: [seeder], args: ['--exit', ...args] })
    return ['get', file, '--dir', folder(`run${i}`), ...options]
  })
  for (const { code, stderr } of (await runAll(runs)).values()) expect([code, stderr]).toEqual([0, ''])
})
