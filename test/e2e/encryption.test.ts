/**
 * The built program and peers that encrypt, written from the specification on raw sockets: what goes over the
 * wire in both directions, and what a hostile dialer gets.
 */
import { randomBytes } from 'node:crypto'
import { connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { onCleanUp } from '../kit/clean-up.ts'
import { MseAnswerer, MseDialler } from '../kit/mse-peer.ts'
import { runShoal } from '../kit/shoal.ts'
import { stage, startGet, startSeed } from '../kit/stage.ts'
import type { TorrentFixture } from '../kit/torrent-fixture.ts'
import { sleep, until } from '../kit/waiting.ts'

const FILES = { 'a.bin': 40_000 }
const HAVE_NONE = Buffer.from([0, 0, 0, 1, 0x0f])
const INTERESTED = Buffer.from([0, 0, 0, 1, 2])
const REQUEST = Buffer.from([0, 0, 0, 13, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0])

function hello({ infoHash }: TorrentFixture, peerId: Buffer = randomBytes(20)): Buffer {
  return Buffer.concat([Buffer.from('\x13BitTorrent protocol\0\0\0\0\0\0\0\x04', 'latin1'), infoHash, peerId])
}

/** A socket, everything it got, and when it ended. */
class Line {
  received = Buffer.alloc(0)
  isOver = false
  readonly socket: Socket

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (data) => (this.received = Buffer.concat([this.received, data])))
    for (const event of ['end', 'close', 'error']) socket.on(event, () => (this.isOver = true))
    onCleanUp(() => void socket.destroy())
  }

  static to({ host, port }: { host: string; port: number }): Line {
    return new Line(connect(port, host))
  }

  /** What `look` gives once enough has come. */
  async read<T>(what: string, look: (received: Buffer) => T | undefined): Promise<T> {
    let found: T | undefined
    await until(what, () => (found = look(this.received)) !== undefined, 10_000)
    return found as T
  }
}

test('a seed that requires encryption serves an encrypted peer, and nothing on the wire is in clear', async () => {
  const { file, source, torrent } = stage({ files: FILES })
  const seed = startSeed(file, source, { args: ['--encryption', 'require'] })
  const line = Line.to(await seed.readyEndpoint())
  const dialler = new MseDialler({ infoHash: torrent.infoHash, pad: randomBytes(100) })
  line.socket.write(dialler.hello())
  const offer = await line.read('key', (bytes) => dialler.offer(bytes, hello(torrent)))
  line.socket.write(offer)
  const { methods, encrypt } = await line.read('selection', (bytes) => dialler.agreed(bytes))
  expect(methods).toBe(2)
  line.socket.write(encrypt(Buffer.concat([HAVE_NONE, INTERESTED, REQUEST])))
  const content = torrent.files.values().next().value as Buffer
  const block = Buffer.from(content.subarray(0, 16_384))
  // the request may come before the unchoke, and is rejected then: once more
  await seed.event('peer-connected')
  await sleep(300)
  line.socket.write(encrypt(REQUEST))
  const stream = await line.read('block', (bytes) => {
    const clear = (dialler.agreed(bytes) as { received: Buffer }).received
    return clear.includes(block) ? clear : undefined
  })
  expect(stream.subarray(0, 20).toString('latin1')).toBe('\x13BitTorrent protocol')
  expect(line.received.includes(block)).toBe(false)
  expect(line.received.includes('BitTorrent')).toBe(false)
})

test('a seed that requires encryption hangs up on a plain peer', async () => {
  const { file, source, torrent } = stage({ files: FILES })
  const seed = startSeed(file, source, { args: ['--encryption', 'require'] })
  const line = Line.to(await seed.readyEndpoint())
  line.socket.write(hello(torrent))
  await until('end', () => line.isOver)
  expect(line.received).toHaveLength(0)
})

test('a seed with encryption off hangs up on an encrypted peer', async () => {
  const { file, source, torrent } = stage({ files: FILES })
  const seed = startSeed(file, source, { args: ['--encryption', 'off'] })
  const line = Line.to(await seed.readyEndpoint())
  line.socket.write(new MseDialler({ infoHash: torrent.infoHash }).hello())
  await until('end', () => line.isOver)
  expect(line.received).toHaveLength(0)
})

test('a peer that hangs up on a plain hello is dialled encrypted, with both methods on offer', async () => {
  const { file, target, torrent } = stage({ files: FILES })
  const lines: Line[] = []
  const server = createServer((socket) => lines.push(new Line(socket)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onCleanUp(() => void server.close())
  const { port } = server.address() as { port: number }
  startGet(file, target, { peers: [{ host: '127.0.0.1', port }] })
  const plain = () => (lines[0]?.received.length ?? 0) >= 68
  await until('plain hello', plain)
  expect(lines[0]?.received.subarray(0, 20).toString('latin1')).toBe('\x13BitTorrent protocol')
  lines[0]?.socket.destroy()
  await until('second dial', () => lines.length === 2, 10_000)
  const line = lines[1] as Line
  const answerer = new MseAnswerer({ infoHash: torrent.infoHash })
  line.socket.write(answerer.hello())
  const { bytes, agreed, provided } = await line.read('offer', (received) => answerer.answer(received))
  expect(provided).toBe(3)
  expect(agreed.received.subarray(0, 68).subarray(28, 48)).toEqual(torrent.infoHash)
  line.socket.write(Buffer.concat([bytes, agreed.encrypt(hello(torrent))]))
  const before = line.received.length
  await until('its first messages', () => line.received.length > before)
  expect([...agreed.decrypt(line.received.subarray(before))].slice(0, 5)).toEqual([...HAVE_NONE])
})

test('garbage is cut off: at once when it is much, at the end of its time when it drips', async () => {
  const { file, source, torrent } = stage({ files: FILES })
  const seed = startSeed(file, source, { args: ['--handshake-timeout', '1500ms'] })
  const endpoint = await seed.readyEndpoint()
  const flood = Line.to(endpoint)
  const drip = Line.to(endpoint)
  const startedAt = performance.now()
  const timer = setInterval(() => drip.isOver || drip.socket.write(Buffer.of(0x99)), 100)
  onCleanUp(() => clearInterval(timer))
  flood.socket.write(randomBytes(64 * 1024).fill(0x99, 0, 1))
  await until('end of the flood', () => flood.isOver)
  expect(performance.now() - startedAt).toBeLessThan(1400)
  await until('end of the drip', () => drip.isOver, 10_000)
  expect(performance.now() - startedAt).toBeGreaterThan(1000)
  expect(drip.received).toHaveLength(0)
  const honest = Line.to(endpoint)
  honest.socket.write(hello(torrent))
  await honest.read('answer', (bytes) => (bytes.length >= 68 ? true : undefined))
})

test('a peer that requires encryption is asked encrypted by all who may, and answers', async () => {
  const { file, source } = stage({ files: FILES })
  const strict = startSeed(file, source, { args: ['--encryption', 'require'] })
  const { host, port } = await strict.readyEndpoint()
  const ask = (mode: string) => runShoal(['stats', `${host}:${port}`, '--encryption', mode])
  const claim = ['--payload', 'ab'.repeat(32), '--claim', '0:abcd']
  expect((await ask('prefer')).result).toMatchObject({ event: 'stats', peer: `${host}:${port}` })
  expect((await ask('require')).result).toMatchObject({ event: 'stats' })
  expect((await ask('off')).result).toMatchObject({ event: 'error', code: 'service/not-offered' })
  const claimed = await runShoal(['ask', `${host}:${port}`, ...claim])
  expect(claimed.result).toMatchObject({ event: 'error', code: 'payload/not-held' })
})

test('a peer that refuses encryption answers whoever does not insist on it', async () => {
  const { file, source } = stage({ files: FILES })
  const plain = startSeed(file, source, { args: ['--encryption', 'off'] })
  const { host, port } = await plain.readyEndpoint()
  const ask = (mode: string) => runShoal(['stats', `${host}:${port}`, '--encryption', mode])
  expect((await ask('prefer')).result).toMatchObject({ event: 'stats' })
  expect((await ask('require')).result).toMatchObject({ event: 'error', code: 'service/not-offered' })
})
