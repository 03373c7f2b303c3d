import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { PictureShrinker, type ShrinkerOptions } from './picture-shrinker.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-shrinker-'))
afterAll(() => rmSync(folder, { recursive: true }))
const shrinkers: PictureShrinker[] = []
afterEach(() => {
  for (const shrinker of shrinkers.splice(0)) shrinker.close()
})

function open(options: ShrinkerOptions = {}): PictureShrinker {
  const shrinker = new PictureShrinker(options)
  shrinkers.push(shrinker)
  return shrinker
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type), data])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}

/** Grey, one bit for each pixel, in few bytes. */
function png(name: string, width: number, height: number): string {
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head[8] = 1
  const rows = Buffer.alloc(Math.min(height, 20_000) * (1 + Math.ceil(width / 8)))
  const file = join(folder, name)
  const parts = [chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', new Uint8Array(0))]
  writeFileSync(file, Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts]))
  return file
}

/** A worker of the test's own: this code, with `answer(picture, placeholder)` to write one. */
function worker(name: string, code: string): string {
  const file = join(folder, `${name}.mjs`)
  const answer = `function answer(picture, placeholder) {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(picture.length)
    process.stdout.write(Buffer.concat([head, picture, Buffer.of(placeholder.length), placeholder]))
  }
  const webp = (text) => Buffer.from('RIFF0000WEBP' + text)\n`
  writeFileSync(file, answer + code)
  return file
}

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const hasSharp = await import('sharp').then(
  () => true,
  () => false,
)
if (!hasSharp) console.log('skipped: sharp is not installed')

describe.skipIf(!hasSharp)('the real worker', () => {
  test('pictures are made small in one process, which is gone after that', async () => {
    const shrinker = open()
    const small = await shrinker.shrink(png('a.png', 1000, 500))
    expect(Buffer.from(small!.picture.subarray(8, 12)).toString()).toBe('WEBP')
    expect(small!.placeholder.length).toBeGreaterThan(4)
    const { pid } = shrinker
    expect(await shrinker.shrink(png('b.png', 500, 1000))).toBeDefined()
    expect(shrinker.pid).toBe(pid)
    shrinker.close()
    await expect.poll(() => isAlive(pid!)).toBe(false)
  })

  test('a picture of a thousand million pixels is refused, a broken one too, and the next is made', async () => {
    const shrinker = open()
    expect(await shrinker.shrink(png('bomb.png', 32_000, 32_000))).toBeUndefined()
    writeFileSync(join(folder, 'broken.jpg'), Buffer.from('ffd8ffe000104a4649460001', 'hex'))
    expect(await shrinker.shrink(join(folder, 'broken.jpg'))).toBeUndefined()
    expect(await shrinker.shrink(png('c.png', 100, 100))).toBeDefined()
  })
})

describe('whatever the worker does (S45)', () => {
  test('it has no environment but its own, and neither writes files nor starts programs', async () => {
    process.env.SHOAL_TEST_SECRET = 'secret'
    const target = join(folder, 'written')
    const code = `process.stdin.once('data', async () => {
      const said = [Object.keys(process.env).filter((name) => !name.startsWith('__')).length]
      const tries = [
        async () => (await import('node:fs')).writeFileSync(${JSON.stringify(target)}, 'x'),
        async () => (await import('node:child_process')).execFileSync('true'),
      ]
      for (const attempt of tries) said.push(await attempt().then(() => 'done', (error) => error.code))
      answer(webp(said.join(' ')), Buffer.of(1))
    })`
    const small = await open({ worker: worker('curious', code) }).shrink(png('d.png', 10, 10))
    delete process.env.SHOAL_TEST_SECRET
    const said = Buffer.from(small!.picture).toString().slice(12)
    expect(said).toBe('0 ERR_ACCESS_DENIED ERR_ACCESS_DENIED')
    expect(existsSync(target)).toBe(false)
  })

  test('one that does not answer is killed, and the next picture gets another', async () => {
    const code = `process.stdin.once('data', () => {}); setInterval(() => {}, 1000)`
    const shrinker = open({ worker: worker('idle', code), secondsMax: 0.5 })
    const asked = shrinker.shrink(png('e.png', 10, 10))
    await expect.poll(() => shrinker.pid).toBeDefined()
    const { pid } = shrinker
    expect(await asked).toBeUndefined()
    await expect.poll(() => isAlive(pid!)).toBe(false)
    const again = shrinker.shrink(png('e.png', 10, 10))
    await expect.poll(() => shrinker.pid).toBeDefined()
    expect(shrinker.pid).not.toBe(pid)
    expect(await again).toBeUndefined()
  })

  test('one that says too much, or what is no picture, gives none', async () => {
    const words = [
      'answer(Buffer.alloc(40_000), Buffer.of(1))',
      'answer(webp("x"), Buffer.alloc(200))',
      'process.stdout.write(Buffer.concat([Buffer.of(0, 0, 0, 13), webp("x"), Buffer.of(1, 1, 2)]))',
      'answer(Buffer.from("<svg>"), Buffer.of(1))',
      'answer(Buffer.alloc(0), Buffer.alloc(0))',
      'process.stdout.write(Buffer.alloc(100_000_000, 255))',
      'process.exit(3)',
    ]
    for (const [i, word] of words.entries()) {
      const code = `process.stdin.once('data', () => { ${word} })`
      const shrinker = open({ worker: worker(`loud-${i}`, code) })
      expect(await shrinker.shrink(png('f.png', 10, 10)), word).toBeUndefined()
    }
  })

  test('one that cannot run is not started for ever', async () => {
    const shrinker = open({ worker: join(folder, 'missing.mjs') })
    for (let i = 0; i < 6; i++) expect(await shrinker.shrink(png('g.png', 10, 10))).toBeUndefined()
    const asked = shrinker.shrink(png('g.png', 10, 10))
    expect(shrinker.pid).toBeUndefined()
    expect(await asked).toBeUndefined()
  })

  test.skipIf(!existsSync('/proc/self/statm'))('one that takes too much memory is killed', async () => {
    const code = `const taken = []
    setInterval(() => taken.push(Buffer.alloc(20_000_000, 1)), 20)`
    const shrinker = open({ worker: worker('greedy', code), memoryBytesMax: 200_000_000 })
    expect(await shrinker.shrink(png('h.png', 10, 10))).toBeUndefined()
    expect(shrinker.pid).toBeUndefined()
  })
})

test('only files that begin like a picture are sent there', async () => {
  const shrinker = open()
  writeFileSync(join(folder, 'script.jpg'), '<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>')
  expect(await shrinker.shrink(join(folder, 'script.jpg'))).toBeUndefined()
  execFileSync('mkfifo', [join(folder, 'pipe.jpg')])
  expect(await shrinker.shrink(join(folder, 'pipe.jpg'))).toBeUndefined()
  await expect(shrinker.shrink(join(folder, 'absent.jpg'))).rejects.toThrow()
  expect(shrinker.pid).toBeUndefined()
})
