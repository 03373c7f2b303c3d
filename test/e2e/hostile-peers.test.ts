/**
 * Thirty hostile peers at one downloader (S16), over real sockets against the built program: floods
 * of requests, answers that are never read, promises that are not kept, blocks byte by byte,
 * handshakes byte by byte, and connections that come and go without end. The download is done, an
 * honest peer is served, and memory, descriptors and processor time stay within bounds that leave
 * room for a slow machine and none for a leak.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { onCleanUp } from '../kit/clean-up.ts'
import { uint32 } from '../kit/fake-connection.ts'
import { FakePeer } from '../kit/fake-peer.ts'
import { stage, startGet } from '../kit/stage.ts'
import type { TorrentFixture } from '../kit/torrent-fixture.ts'
import { treeDifferences } from '../kit/trees.ts'
import { sleep, until } from '../kit/waiting.ts'

const BLOCK = 16_384
const KINDS = 6
const OF_EACH = 5
/** Threads and their stacks, the pool for unverified pieces (64 MiB), and what thirty sockets may hold. */
const RSS_BYTES_MAX = 400 * 1024 * 1024
/** The program by itself has about 35, each connection one. */
const DESCRIPTORS_MAX = 150
const CPU_SECONDS_MAX = 40
const CLOCK_TICKS_PER_SECOND = 100

interface Target {
  readonly host: string
  readonly port: number
  readonly torrent: TorrentFixture
  readonly signal: AbortSignal
}

/** A connection of the n-th hostile peer, from an address of its own. */
async function dial({ host, port }: Target, n: number): Promise<Socket> {
  const socket = connect({ host, port, localAddress: `127.0.2.${n}`, noDelay: true })
  onCleanUp(() => void socket.destroy())
  socket.on('error', () => {})
  await new Promise<void>((resolve) => {
    socket.once('connect', () => resolve())
    socket.once('close', () => resolve())
  })
  return socket
}

function handshake({ torrent }: Target, n: number): Buffer {
  const reserved = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0x14])
  const peerId = Buffer.from(`-XX0000-${String(n).padStart(12, '0')}`)
  return Buffer.concat([Buffer.from('\x13BitTorrent protocol', 'latin1'), reserved, torrent.infoHash, peerId])
}

function message(id: number, ...payload: Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from([id]), ...payload])
  return Buffer.concat([uint32(body.length), body])
}

const INTERESTED = message(2)
const UNCHOKE = message(1)
const HAVE_ALL = message(14)

function request(n: number, { torrent }: Target): Buffer {
  return message(6, uint32(n % torrent.pieceCount), uint32(0), uint32(BLOCK))
}

function hashRequest({ torrent }: Target): Buffer {
  const at = torrent.infoBytes.indexOf('pieces root32:') + 'pieces root32:'.length
  const root = torrent.infoBytes.subarray(at, at + 32)
  return message(21, root, uint32(0), uint32(0), uint32(8), uint32(2))
}

/** Asks for everything, a hundred thousand times, and for hashes that have to be made. */
async function flood(target: Target, n: number, reads: boolean): Promise<void> {
  const socket = await dial(target, n)
  if (reads) socket.resume()
  else socket.pause()
  socket.write(Buffer.concat([handshake(target, n), INTERESTED]))
  const batch = Buffer.concat(
    Array.from({ length: 1000 }, (_, i) => (i % 50 === 0 ? hashRequest(target) : request(i, target))),
  )
  for (let i = 0; i < 100 && !target.signal.aborted && socket.writable; i++) {
    if (!socket.write(batch)) await Promise.race([drained(socket), sleep(200)])
    await sleep(20)
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('drain', resolve)
    socket.once('close', () => resolve())
  })
}

/** Has everything, is asked, and answers nothing. */
async function stall(target: Target, n: number): Promise<void> {
  const socket = await dial(target, n)
  socket.resume()
  socket.write(Buffer.concat([handshake(target, n), HAVE_ALL, UNCHOKE]))
}

/** Has everything, is asked, and answers a byte at a time. */
async function drip(target: Target, n: number): Promise<void> {
  const socket = await dial(target, n)
  socket.resume()
  socket.write(Buffer.concat([handshake(target, n), HAVE_ALL, UNCHOKE]))
  const answer = Buffer.concat([uint32(9 + BLOCK), Buffer.from([7]), uint32(n % target.torrent.pieceCount)])
  for (let at = 0; !target.signal.aborted && socket.writable; at++) {
    socket.write(Buffer.from([answer[at] ?? 0]))
    await sleep(10)
  }
}

async function slowHandshake(target: Target, n: number): Promise<void> {
  const bytes = handshake(target, n)
  while (!target.signal.aborted) {
    const socket = await dial(target, n)
    socket.resume()
    for (let at = 0; at < bytes.length && !target.signal.aborted && socket.writable; at++) {
      socket.write(bytes.subarray(at, at + 1))
      await sleep(300)
    }
    socket.destroy()
  }
}

async function comeAndGo(target: Target, n: number): Promise<void> {
  for (let i = 0; !target.signal.aborted; i++) {
    const socket = await dial(target, n)
    socket.resume()
    if (i % 2 === 0) socket.write(handshake(target, n))
    await sleep(5)
    socket.destroy()
  }
}

const ATTACKS: ((target: Target, n: number) => Promise<void>)[] = [
  (target, n) => flood(target, n, true),
  (target, n) => flood(target, n, false),
  stall,
  drip,
  slowHandshake,
  comeAndGo,
]

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

function descriptorCount(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** In user and kernel mode, all threads together. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND
}

if (process.platform !== 'linux') console.log('skipped: needs /proc of Linux')
test.skipIf(process.platform !== 'linux')(
  'S16 thirty hostile peers keep a downloader from nothing and cost it little',
  async () => {
    const { file, source, target, torrent } = stage({
      files: { 'book.bin': 512 * BLOCK },
      pieceLength: 8 * BLOCK,
      format: 'v2',
    })
    const honest = await FakePeer.listen(torrent, { bytesPerSecond: 1_500_000, announces: 'fast' })
    const get = startGet(file, target, { peers: [honest], args: ['--upload-limit', '20M'] })
    const endpoint = await get.peerEndpoint()
    const over = new AbortController()
    onCleanUp(() => over.abort())
    const hostile: Target = { ...endpoint, torrent, signal: over.signal }
    const attacks = ATTACKS.flatMap((attack, kind) =>
      Array.from({ length: OF_EACH }, (_, i) => attack(hostile, 1 + kind * OF_EACH + i)),
    )
    expect(attacks).toHaveLength(KINDS * OF_EACH)
    const most = { bytes: 0, descriptors: 0 }
    const timer = setInterval(() => {
      most.bytes = Math.max(most.bytes, residentBytes(get.pid))
      most.descriptors = Math.max(most.descriptors, descriptorCount(get.pid))
    }, 50)
    onCleanUp(() => clearInterval(timer))

    await get.event('verified', undefined, 90_000)
    expect(treeDifferences(source, target)).toEqual([])
    const leecher = await FakePeer.leecher(torrent, { host: '127.0.3.1', announces: 'fast' }).dial(endpoint)
    await leecher.downloadAll(90_000)
    clearInterval(timer)
    over.abort()
    await Promise.all(attacks)

    expect(most.descriptors).toBeGreaterThan(KINDS)
    expect(most.descriptors).toBeLessThan(DESCRIPTORS_MAX)
    expect(most.bytes).toBeGreaterThan(0)
    expect(most.bytes).toBeLessThan(RSS_BYTES_MAX)
    expect(cpuSeconds(get.pid)).toBeLessThan(CPU_SECONDS_MAX)
    await until('free descriptors', () => descriptorCount(get.pid) < DESCRIPTORS_MAX / 2, 60_000, 250)
    expect((await get.end()).code).toBe(0)
  },
  240_000,
)
