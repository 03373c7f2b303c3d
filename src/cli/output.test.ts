import { describe, expect, test } from 'vitest'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { Output, type OutputOptions } from './output.ts'

interface Screen {
  readonly output: Output
  stdout(): string
  stderr(): string
}

function screen(
  options: Partial<OutputOptions> = {},
  terminal: { isTTY?: boolean; columns?: number } = {},
): Screen {
  const texts = { stdout: '', stderr: '' }
  const stream = (name: 'stdout' | 'stderr') => ({
    ...terminal,
    write(text: string, done?: () => void) {
      texts[name] += text
      done?.()
      return true
    },
  })
  const output = new Output({
    json: false,
    quiet: false,
    verbose: { tracker: 0, serve: 0, fetch: 0 },
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    environment: { LANG: 'C.UTF-8' },
    ...options,
  })
  return { output, stdout: () => texts.stdout, stderr: () => texts.stderr }
}

const progress = (bytes: number) =>
  ({
    event: 'progress',
    name: 'memes',
    bytes,
    total: 1000,
    downloadRate: 3_100_000,
    uploadRate: 0,
    peers: 5,
    etaSeconds: null,
  }) as const

describe('JSON lines', () => {
  test('every line is an object with an event, values are plain', () => {
    const { output, stdout, stderr } = screen({ json: true })
    output.event({ event: 'created', hash: Uint8Array.of(0, 255), size: 5n, eta: Infinity, none: undefined })
    output.text('not for programs')
    output.table([{ title: 'a' }], [['b']])
    output.warning({ code: 'metainfo/odd', message: 'odd' })
    output.error(new ShoalError('disk/full', 'the disk is full', 'Free some space.'))
    expect(
      stdout()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { event: 'created', hash: '00ff', size: 5, eta: null },
      { event: 'warning', code: 'metainfo/odd', message: 'odd' },
      { event: 'error', code: 'disk/full', message: 'the disk is full', hint: 'Free some space.' },
    ])
    expect(stderr()).toBe('')
  })

  test('verbosity adds log lines, it never takes events away', async () => {
    const lines = async (level: number) => {
      const { output, stdout } = screen({ json: true, verbose: { tracker: 0, serve: 0, fetch: level } })
      output.event({ event: 'piece-verified', piece: 7, from: '127.0.0.3:6881' })
      await output.end()
      return stdout()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).event)
    }
    expect(await lines(0)).toEqual(['piece-verified'])
    expect(await lines(1)).toEqual(['piece-verified', 'log'])
  })

  test('lines of very many pieces wait for one another, and for nothing at the end', async () => {
    const { output, stdout } = screen({ json: true })
    const names = () => [...stdout().matchAll(/"event":"([a-z-]+)"/g)].map(([, name]) => name)
    for (let piece = 0; piece < 200; piece++)
      output.event({ event: 'piece-verified', piece, from: '127.0.0.3:6881' })
    const soFar = names().length
    expect(soFar).toBeGreaterThanOrEqual(50)
    expect(soFar).toBeLessThan(200)
    output.event({ event: 'connecting', address: '127.0.0.3:6881' })
    expect(names()).toHaveLength(201)
    expect(names().at(-1)).toBe('connecting')
    for (let piece = 200; piece < 300; piece++)
      output.event({ event: 'piece-verified', piece, from: '127.0.0.3:6881' })
    await output.end()
    expect(names()).toHaveLength(301)
  })
})

describe('sentences', () => {
  test('a download from start to end', () => {
    const { output, stdout, stderr } = screen({ verbose: { tracker: 0, serve: 0, fetch: 1 } })
    output.event({ event: 'listening', service: 'peer', host: '::', port: 6881 })
    output.event({ event: 'checked', pieces: 12, total: 18 })
    const announced = {
      event: 'announced',
      tracker: 'http://t/announce',
      peers: 4,
      interval: 60,
      externalIp: '127.0.0.1',
    } as const
    output.event(announced)
    output.event(announced)
    output.event({ event: 'connecting', address: '127.0.0.3:6881' })
    output.event({
      event: 'peer-connected',
      address: '127.0.0.3:6881',
      peerId: '-TR4060-abcdefghijkl',
      client: 'Transmission 4.0.6',
    })
    output.event({ event: 'peer-disconnected', address: '127.0.0.9:1', reason: 'refused' })
    output.event({ event: 'piece-verified', piece: 7, from: '127.0.0.3:6881' })
    output.event({ event: 'piece-failed', piece: 8, from: '127.0.0.3:6881' })
    output.event({ event: 'peer-disconnected', address: '127.0.0.3:6881', reason: 'remote-closed' })
    output.event({ event: 'downloaded', bytes: 4_600_000, seconds: 2 })
    output.event({ event: 'verified', pieces: 18, files: 5 })
    output.event({ event: 'complete', infoHash: 'ab', bytes: 1, seconds: 1 }, 'complete, seeding')
    output.event({ event: 'stopped' })
    expect(stdout()).toMatchInlineSnapshot(`
      "listening on port 6881, all addresses
      checked 12/18 pieces ok
      announced, 4 peers, my address is 127.0.0.1
      +peer 127.0.0.3:6881 -TR4060- Transmission 4.0.6
      piece 8 failed from 127.0.0.3:6881, retry
      -peer 127.0.0.3:6881 left
      downloaded 4.6 MB in 2.0s, 2.3 MB/s
      verified: 18/18 pieces, files 5/5
      complete, seeding
      stopped
      "
    `)
    expect(stderr()).toMatchInlineSnapshot(`
      "[fetch] connecting to 127.0.0.3:6881
      [fetch] -peer 127.0.0.9:1 refused the connection
      [fetch] piece 7 <- 127.0.0.3:6881
      "
    `)
  })

  test('a tracker is mentioned when its state changes', () => {
    const { output, stdout } = screen()
    const failed = {
      event: 'announce-failed',
      tracker: 'udp://t:1',
      code: 'tracker/timeout',
      message: 'no answer',
    } as const
    const announced = { event: 'announced', tracker: 'udp://t:1', peers: 1, interval: 60 } as const
    for (const event of [failed, failed, announced, announced, failed]) output.event(event)
    expect(stdout().split('\n')).toEqual([
      'tracker udp://t:1: no answer',
      'announced, 1 peer',
      'tracker udp://t:1: no answer',
      '',
    ])
  })

  test('completion is one line, with seeding or without', () => {
    const { output, stdout } = screen()
    const complete = { event: 'complete', infoHash: 'ab', bytes: 1000, seconds: 1 } as const
    output.event(complete, '')
    output.event({ event: 'seeding', infoHash: 'ab' })
    output.event({ event: 'seeding', infoHash: 'cd' })
    expect(stdout()).toBe('complete, 1.0 kB in 1.0s (1.0 kB/s), seeding\nseeding\n')
  })

  test('a peer that nobody needs to miss leaves silently', () => {
    const { output, stdout, stderr } = screen({ verbose: { tracker: 0, serve: 0, fetch: 1 } })
    const address = '127.0.0.3:6881'
    output.event({ event: 'peer-connected', address, peerId: '-TR4060-abcdefghijkl', client: 'T' })
    output.event({ event: 'peer-disconnected', address, reason: 'both-seeds' })
    expect(stdout()).not.toContain(`-peer ${address}`)
    expect(stderr()).toContain(`-peer ${address} has everything, as we do`)
  })

  test('an event without a sentence shows its plain fields', () => {
    const { output, stdout } = screen()
    output.event({ event: 'brand-new', count: 3, list: [1] })
    expect(stdout()).toBe('brand-new count=3\n')
  })

  test('quiet leaves results and errors', () => {
    const { output, stdout, stderr } = screen({ quiet: true })
    output.event({ event: 'checked', pieces: 1, total: 1 })
    output.event({ event: 'complete', infoHash: '', bytes: 1, seconds: 1 })
    output.error(new Error('boom'))
    expect(stdout()).toBe('complete, 1 B in 1.0s (1 B/s)\n')
    expect(stderr()).toContain('error: unexpected: boom')
  })

  test('one program with several torrents and peers says which', () => {
    const { output, stdout } = screen()
    output.nameTorrents()
    output.event({ event: 'checked', pieces: 1, total: 2, name: 'memes', node: 'D2' })
    expect(stdout()).toBe('D2 memes: checked 1/2 pieces ok\n')
  })
})

describe('hostile names', () => {
  test('cannot move the cursor, colour the terminal or turn the reading direction', () => {
    const { output, stdout, stderr } = screen()
    const name = 'a\x1b[31m\u202egnp.exe\nb\u0085\u200b'
    output.event({ event: 'metadata', infoHash: '', name })
    output.text(name)
    output.error(new ShoalError('input/not-found', name))
    output.table([{ title: 'file' }], [[name]])
    const written = stdout() + stderr()
    expect(written).not.toMatch(/[[\p{Cc}\p{Cf}]--\n]/v)
    expect(written).toContain('a\\x1b[31m\\u{202e}gnp.exe\\nb\\x85\\u{200b}')
  })
})

describe('progress', () => {
  test('without a terminal it is a plain line at each tenth', () => {
    const { output, stdout, stderr } = screen()
    for (const bytes of [0, 50, 100, 150, 420, 430, 999, 1000, 1000]) output.event(progress(bytes))
    expect(stdout()).toMatchInlineSnapshot(`
      "memes: 10% 3.1 MB/s 5 peers
      memes: 42% 3.1 MB/s 5 peers
      memes: 99% 3.1 MB/s 5 peers
      memes: 100% 3.1 MB/s 5 peers
      "
    `)
    expect(stdout() + stderr()).not.toContain('\x1b')
  })

  test('on a terminal it is a live bar that gives way to what is printed', async () => {
    const { output, stdout, stderr } = screen({}, { isTTY: true, columns: 80 })
    output.event(progress(420))
    output.bar('x', { label: 'second', fraction: 1, detail: '' })
    await new Promise((resolve) => setTimeout(resolve, 20))
    output.event({ event: 'checked', pieces: 1, total: 1 })
    await output.end()
    expect(stdout()).toBe('checked 1/1 pieces ok\n')
    expect(stderr()).toContain(
      'memes  [████████------------]  42% 3.1 MB/s 5 peers\x1b[K\nsecond [████████████████████] 100%\x1b[K',
    )
    expect(stderr().endsWith('\r\x1b[1A\x1b[J')).toBe(true)
  })

  test('NO_COLOR and dumb terminals get no colours', () => {
    const errorOn = (environment: Record<string, string>) => {
      const { output, stderr } = screen({ environment }, { isTTY: true })
      output.error(new ShoalError('a/b', 'wrong', 'right'))
      return stderr()
    }
    expect(errorOn({ TERM: 'xterm' })).toContain('\x1b[31merror:')
    expect(errorOn({ TERM: 'xterm', NO_COLOR: '1' })).toBe('error: wrong\nhint: right\n')
    expect(errorOn({ TERM: 'dumb' })).toBe('error: wrong\nhint: right\n')
  })
})

describe('errors', () => {
  test('a fault without a hint gets one', () => {
    const { output, stderr } = screen()
    output.error(new ShoalError('magnet/too-long', 'too long'))
    expect(stderr()).toMatch(/^error: too long\nhint: \S.*--help/)
  })

  test('system errors become two lines a user can act on', () => {
    const { output, stderr } = screen()
    output.error(
      Object.assign(new Error('ENOENT: no such file'), {
        code: 'ENOENT',
        syscall: 'open',
        path: 'a.torrent',
      }),
    )
    expect(stderr()).toBe(
      'error: a.torrent does not exist\nhint: Check the path; the file may have been moved or deleted.\n',
    )
  })
})
