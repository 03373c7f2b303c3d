/** `create`, `info` and `verify` as a program sees them: their events and exit status. */
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HashPool } from '../nodejs/hash-pool.ts'
import type { CommandContext } from './command-context.ts'
import * as create from './create.ts'
import * as info from './info.ts'
import { Output } from './output.ts'
import type { SettingName } from './settings.ts'
import { resolveSettings } from './settings-resolution.ts'
import * as verify from './verify.ts'

interface Ran {
  /** Exit status, or the code of the error it ended with. */
  readonly status: number | string
  // biome-ignore lint/suspicious/noExplicitAny: events are read as other programs read them
  readonly events: any[]
  readonly text: string
}

interface Call {
  readonly args: readonly string[]
  readonly options?: Record<string, unknown>
  readonly flags?: Partial<Record<SettingName, unknown>>
  readonly signal?: AbortSignal
  /** Called at each line that is written. */
  readonly onLine?: () => void
}

let base: string
const at = (...names: string[]) => path.join(base, ...names)

beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'torrent-commands-'))
  mkdirSync(at('Hamilton/sub'), { recursive: true })
  writeFileSync(at('Hamilton/one.png'), Buffer.alloc(40_000, 1))
  writeFileSync(at('Hamilton/sub/two.png'), Buffer.alloc(20_000, 2))
  writeFileSync(at('Hamilton/empty'), '')
})
afterEach(() => rmSync(base, { recursive: true }))
afterAll(() => HashPool.shared.close())

async function ran(
  command: { run(context: CommandContext): Promise<number> },
  call: Call,
  json: boolean,
): Promise<Ran> {
  let text = ''
  const write = (chunk: string, done?: () => void) => {
    text += chunk
    call.onLine?.()
    done?.()
    return true
  }
  const { settings, resolved } = resolveSettings({
    flags: { ...call.flags, ...(json && { json: true }) },
    environment: {},
    file: { path: '', values: {} } as never,
  })
  const output = new Output({
    json,
    quiet: false,
    verbose: settings.verbose,
    stdout: { write },
    stderr: { write },
    environment: {},
  })
  const { args, options = {}, signal = new AbortController().signal } = call
  const context = { args, options, settings, resolved, output, signal, words: undefined as never }
  const status = await command.run(context).catch((error) => error.code ?? error)
  return {
    status,
    text,
    events: json
      ? text
          .trim()
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line))
      : [],
  }
}

const runJson = (command: Parameters<typeof ran>[0], call: Call) => ran(command, call, true)
const runText = (command: Parameters<typeof ran>[0], call: Call) => ran(command, call, false)
const createBook = (flags: Call['flags'] = {}, options = {}) =>
  runJson(create, {
    args: [at('Hamilton')],
    options: { output: at('out.torrent'), ...options },
    flags: { format: 'v1', pieceLength: '16KiB', ...flags },
  })

describe('create', () => {
  test('writes the file and ends with all about it', async () => {
    symlinkSync('one.png', at('Hamilton/link'))
    const { status, events } = await createBook(
      { tracker: ['http://127.0.0.1:9/announce'] },
      { webSeed: ['http://w/'], comment: 'c' },
    )
    expect(status).toBe(0)
    expect(events[0]).toEqual({ event: 'skipped', file: 'link', reason: 'symbolic link' })
    expect(events.at(-1)).toMatchObject({
      event: 'created',
      file: at('out.torrent'),
      name: 'Hamilton',
      infoHashV2: null,
      pieceLength: 16_384,
      pieces: 4,
      files: 3,
      bytes: 60_000,
      format: 'v1',
    })
    expect(events.at(-1).magnet).toBe(
      `magnet:?xt=urn:btih:${events.at(-1).infoHash}&dn=Hamilton&tr=http%3A%2F%2F127.0.0.1%3A9%2Fannounce&ws=http%3A%2F%2Fw%2F`,
    )
    expect((await runJson(info, { args: [at('out.torrent')] })).events.at(-1)).toMatchObject({
      comment: 'c',
      webSeeds: ['http://w/'],
      magnet: events.at(-1).magnet,
    })
  })

  test('says it in words', async () => {
    const { text } = await runText(create, {
      args: [at('Hamilton')],
      options: { output: base },
      flags: { pieceLength: '16KiB' },
    })
    expect(text).toMatch(
      /^format hybrid: .*\ncreated .*Hamilton\.torrent infohash=[0-9a-f]{40} 3 files 5 pieces of 16384 B\n$/,
    )
    expect(readdirSync(base)).toEqual(['Hamilton', 'Hamilton.torrent'])
  })

  test('replaces its own earlier file, also among the content', async () => {
    const output = at('Hamilton/Hamilton.torrent')
    const first = await createBook({}, { output })
    const second = await createBook({}, { output })
    expect(second.events.at(-1).infoHash).toBe(first.events.at(-1).infoHash)
    expect(second.events[0]).toEqual({ event: 'skipped', file: 'Hamilton.torrent', reason: 'output file' })
  })

  test('never replaces anything else', async () => {
    await createBook({}, { output: at('Hamilton/other.torrent'), name: 'other' })
    const before = readFileSync(at('Hamilton/other.torrent'))
    for (const output of ['Hamilton/one.png', 'Hamilton/other.torrent']) {
      expect((await createBook({}, { output: at(output) })).status).toBe('create/output-exists')
    }
    const single = { args: [at('Hamilton/one.png')], options: { output: at('Hamilton/one.png') } }
    expect((await runJson(create, single)).status).toBe('create/output-exists')
    expect(readFileSync(at('Hamilton/one.png'))).toEqual(Buffer.alloc(40_000, 1))
    expect(readFileSync(at('Hamilton/other.torrent'))).toEqual(before)
  })

  test('a name that nobody chose costs no other torrent its file', async () => {
    const here = process.cwd()
    process.chdir(base)
    try {
      const make = (options = {}) => runJson(create, { args: ['Hamilton'], options })
      expect((await make()).status).toBe(0)
      expect((await make()).status).toBe(0)
      appendFileSync(at('Hamilton/one.png'), 'more')
      const before = readFileSync(at('Hamilton.torrent'))
      expect((await make()).status).toBe('create/output-exists')
      expect(readFileSync(at('Hamilton.torrent'))).toEqual(before)
      expect((await make({ output: 'Hamilton.torrent' })).status).toBe(0)
    } finally {
      process.chdir(here)
    }
  })

  test('says what --exclude did', async () => {
    const warned = await createBook({}, { exclude: ['*.tmp', 'two.*'] })
    expect(warned.events[0]).toMatchObject({ code: 'create/unused-exclude', message: /\*\.tmp/ })
    expect(warned.events.filter(({ event }) => event === 'warning')).toHaveLength(1)
    expect((await createBook({}, { exclude: ['*'] })).status).toBe('create/no-content')
  })

  test('warns of a private torrent that nobody can find', async () => {
    const codes = (ran: Ran) => ran.events.map(({ code }) => code)
    expect(codes(await createBook({}, { private: true }))).toContain('create/private-without-tracker')
    const found = await createBook({ tracker: ['http://127.0.0.1:9/announce'] }, { private: true })
    expect(codes(found)).not.toContain('create/private-without-tracker')
  })

  test('refuses before it hashes when it cannot write', async () => {
    expect((await createBook({}, { output: at('nowhere/x.torrent') })).status).toBe('create/bad-output')
  })

  test('leaves nothing behind when stopped', async () => {
    // Told of before anything is hashed.
    symlinkSync('one.png', at('Hamilton/link'))
    const whileHashing = new AbortController()
    for (const signal of [whileHashing.signal, AbortSignal.abort()]) {
      const stopped = await runJson(create, {
        args: [at('Hamilton')],
        options: { output: at('out.torrent') },
        signal,
        onLine: () => whileHashing.abort(),
      })
      expect(stopped.status).toBe(1)
      expect(stopped.events.at(-1)).toEqual({ event: 'stopped' })
      expect(readdirSync(base)).toEqual(['Hamilton'])
    }
  })

  test('warns about a piece length that is no power of two', async () => {
    const { events } = await createBook({ pieceLength: '256000', format: 'auto' })
    expect(events.map(({ event }) => event)).toEqual(['warning', 'created'])
    expect(events.at(-1)).toMatchObject({ pieceLength: 256_000, format: 'v1', infoHashV2: null })
  })
})

describe('info', () => {
  test('lists files with their first piece, and every field last', async () => {
    await createBook({ align: true })
    const { status, events } = await runJson(info, { args: [at('out.torrent')] })
    expect(status).toBe(0)
    expect(events.slice(0, -1)).toMatchObject([
      { event: 'file', path: 'empty', length: 0, firstPiece: 0, pieces: 0 },
      { event: 'file', path: 'one.png', length: 40_000, firstPiece: 0, pieces: 3 },
      { event: 'file', path: 'sub/two.png', length: 20_000, firstPiece: 3, pieces: 2 },
    ])
    expect(events.at(-1)).toMatchObject({
      event: 'info',
      name: 'Hamilton',
      files: 3,
      pieces: 5,
      bytes: 60_000,
      aligned: true,
      private: false,
      trackers: [],
    })
    const { text } = await runText(info, { args: [at('out.torrent')] })
    expect(text).toMatch(
      /^name: Hamilton\ninfohash: [0-9a-f]{40}\nformat: v1\nhashes: SHA-1 only: [^\n]+\nsize: 60\.0 kB \(60000 B\)\npieces: 5 of 16384 B\nfiles: 3\naligned: yes\n/,
    )
    expect(text).toMatch(/\n +3 +20000 {2}sub\/two\.png\n$/)
  })

  test('lists the hashes of pieces', async () => {
    await createBook({ format: 'hybrid' })
    const { events } = await runJson(info, { args: [at('out.torrent')], options: { pieces: true } })
    const pieces = events.filter(({ event }) => event === 'piece')
    expect(pieces.map(({ piece, length }) => [piece, length])).toEqual([
      [0, 16_384],
      [1, 16_384],
      [2, 16_384],
      [3, 16_384],
      [4, 3616],
    ])
    for (const { sha1, sha256 } of pieces) expect(`${sha1} ${sha256}`).toMatch(/^[0-9a-f]{40} [0-9a-f]{64}$/)
    const { text } = await runText(info, { args: [at('out.torrent')], options: { pieces: true } })
    expect(text).toContain(`\n4 ${pieces[4].sha1} ${pieces[4].sha256}\n`)
  })

  test('reads magnet links', async () => {
    const link = `magnet:?xt=urn:btih:${'ab'.repeat(20)}&dn=n&tr=http%3A%2F%2Ft%2Fannounce&x.pe=1.2.3.4:5&so=0,2-3`
    const { events } = await runJson(info, { args: [link] })
    expect(events).toMatchObject([
      {
        event: 'info',
        name: 'n',
        infoHash: 'ab'.repeat(20),
        infoHashV2: null,
        trackers: ['http://t/announce'],
        peers: ['1.2.3.4:5'],
      },
    ])
    expect((await runText(info, { args: [link] })).text).toContain('files wanted: 0, 2-3\n')
    expect((await runJson(info, { args: ['magnet:?dn=nothing'] })).status).toBe('magnet/missing-hash')
  })

  test('says what was taken for a .torrent', async () => {
    const hints: string[] = []
    const texts = ['\ufeff <!DOCTYPE html>', '\x89PNG\r\n', '\xff\xd8\xff\xe0', 'PK\x03\x04']
    for (const [index, text] of texts.entries()) {
      writeFileSync(at('wrong.torrent'), text, index === 0 ? 'utf8' : 'latin1')
      const context = { args: [at('wrong.torrent')], options: {}, output: {} }
      hints.push(await info.run(context as never).catch((error) => error.hint))
    }
    const what = hints.map((hint) => /looks like a (.*), not a \.torrent/.exec(hint)?.[1])
    expect(what).toEqual(['web page', 'picture', 'picture', 'packed archive'])
  })

  test('fetches no URL', async () => {
    expect((await runJson(info, { args: ['https://t.example/a.torrent'] })).status).toBe('usage/url-source')
  })

  test('refuses what is cut off', async () => {
    await createBook()
    const bytes = readFileSync(at('out.torrent'))
    writeFileSync(at('out.torrent'), bytes.subarray(0, bytes.length - 10))
    expect((await runJson(info, { args: [at('out.torrent')] })).status).toMatch(/^bencode\//)
  })
})

describe('verify', () => {
  const verifyBook = () => runJson(verify, { args: [at('out.torrent'), base] })

  test('says so when all is right', async () => {
    await createBook()
    expect(await verifyBook()).toMatchObject({
      status: 0,
      events: [{ event: 'verified', pieces: 4, total: 4, files: 3, filesTotal: 3 }],
    })
    expect((await runText(verify, { args: [at('out.torrent'), base] })).text).toBe(
      'verified: 4/4 pieces, files 3/3\n',
    )
  })

  test('names wrong pieces and files', async () => {
    await createBook({ align: true })
    writeFileSync(at('Hamilton/sub/two.png'), Buffer.alloc(20_000, 3))
    unlinkSync(at('Hamilton/empty'))
    const { status, events } = await verifyBook()
    expect(status).toBe(1)
    expect(events).toEqual([
      { event: 'damaged', file: 'empty', reason: 'missing' },
      { event: 'damaged', file: 'sub/two.png', reason: 'has wrong pieces' },
      { event: 'compromised', pieces: [3, 4] },
    ])
  })

  test('tells people of missing and damaged pieces, and of twenty files', async () => {
    for (let i = 0; i < 25; i++) writeFileSync(at(`Hamilton/${i}`), Buffer.alloc(16_384, i))
    await createBook({ align: true })
    for (let i = 0; i < 24; i++) unlinkSync(at(`Hamilton/${i}`))
    writeFileSync(at('Hamilton/24'), Buffer.alloc(16_384, 99))
    const { text } = await runText(verify, { args: [at('out.torrent'), base] })
    const lines = text.trimEnd().split('\n')
    expect(lines.slice(-2)).toEqual(['and 5 more files', '24 of 30 pieces missing, 1 damaged'])
    expect(lines).toHaveLength(22)
    expect(lines).toContain('0: missing')
    const { events } = await verifyBook()
    expect(events.filter(({ event }) => event !== 'progress')).toHaveLength(26)
  })

  test('a file beside a missing one is not called damaged', async () => {
    await createBook()
    unlinkSync(at('Hamilton/one.png'))
    const { text } = await runText(verify, { args: [at('out.torrent'), base] })
    expect(text).toBe(
      'one.png: missing\nsub/two.png: shares a piece with a missing file\n3 of 4 pieces missing\n',
    )
  })

  test('notices swapped arguments and a folder that is none', async () => {
    await createBook()
    const statusOf = async (...args: string[]) => (await runJson(verify, { args })).status
    expect(await statusOf(base, at('out.torrent'))).toBe('usage/swapped-arguments')
    expect(await statusOf(at('out.torrent'), at('nowhere'))).toBe('input/not-a-folder')
    expect(await statusOf(at('out.torrent'), at('out.torrent'))).toBe('input/not-a-folder')
  })

  test('a file that is too long is no copy, though its pieces are right', async () => {
    await createBook()
    appendFileSync(at('Hamilton/one.png'), 'more')
    const { status, events } = await verifyBook()
    expect(status).toBe(1)
    expect(events).toEqual([
      { event: 'damaged', file: 'one.png', reason: 'too long' },
      { event: 'compromised', pieces: [] },
    ])
  })

  test('says where to look when nothing is there', async () => {
    await createBook()
    const { status, events } = await runJson(verify, { args: [at('out.torrent'), at('Hamilton')] })
    expect(status).toBe(1)
    expect(events.at(-2)).toMatchObject({ event: 'warning', code: 'verify/nothing-there' })
    expect(events.at(-1)).toEqual({ event: 'compromised', pieces: [0, 1, 2, 3] })
  })
})
