/**
 * What the swarm machine itself costs, without sockets, disks, hashes or the copying of payload: nanoseconds
 * for each block of 16 KiB that passes, with few and with many torrents and connections, in a swarm of nine,
 * and for each of its wake-ups while nothing happens.
 *
 *   node bench/client.ts [--reps 5] [--only download]
 *
 * Everything is in memory and in virtual time. What counts is CPU time of this thread, so other load on the
 * machine matters little; figures are medians of the repetitions.
 */
import { parseArgs } from 'node:util'
import { Prng } from '../src/base/prng.ts'
import { ok } from '../src/base/result.ts'
import { type Instant, instant } from '../src/base/time.ts'
import { Client } from '../src/swarm/client.ts'
import type { SwarmInput, SwarmOutput } from '../src/swarm/effects.ts'
import type { Frame } from '../src/swarm/frame-pool.ts'
import { PieceBuffers } from '../src/swarm/piece-buffers.ts'
import type { PickOrder } from '../src/swarm/piece-picker.ts'
import { encodeHandshake } from '../src/wire/handshake.ts'
import type { Metainfo } from '../src/wire/metainfo.ts'
import { MESSAGE, MessageWriter, PIECE_HEADER_LENGTH, writePieceHeader } from '../src/wire/peer-messages.ts'

const BLOCK = 16 * 1024
/** All pieces have this hash, and every verdict is right. */
const SHA1 = new Uint8Array(20)
const DIGESTS = ok({ sha1: SHA1, merkleRoot: undefined })
const NOBODY = ok({ intervalSeconds: 1800, peers: [] })

function metainfoOf(id: number, pieceCount: number, pieceLength: number): Metainfo {
  const length = pieceCount * pieceLength
  return {
    format: 'v1',
    name: 'content',
    rawName: new TextEncoder().encode('content'),
    infoHashV1: new Prng(id).bytes(20),
    infoHashV2: null,
    infoBytes: new Uint8Array(0),
    pieceLength,
    pieceCount,
    contentLength: length,
    files: [
      { path: ['content'], rawPath: [], length, offset: 0, isPad: false, piecesRoot: null, pieceLayer: null },
    ],
    isSingleFile: true,
    pieceHashesV1: new Uint8Array(20 * pieceCount),
    private: false,
    trackers: [],
    webSeeds: [],
    warnings: [],
  }
}

function cpuMilliseconds(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

function all(metainfo: Metainfo): number[] {
  return Array.from({ length: metainfo.pieceCount }, (_, piece) => piece)
}

/** One machine and what stands around it: hashes and disk at once, trackers that answer with nobody. */
class Bench {
  now: Instant = instant(1_000_000)
  readonly client: Client
  readonly #send: (connection: number, bytes: Uint8Array, frame: Frame | undefined) => void
  readonly #connect: (connection: number, port: number) => void
  /** Completions of what the machine asked for. */
  #later: SwarmInput[] = []

  constructor(
    id: number,
    send: (connection: number, bytes: Uint8Array, frame: Frame | undefined) => void,
    connect: (connection: number, port: number) => void = () => {},
  ) {
    this.#send = send
    this.#connect = connect
    this.client = new Client(
      this.now,
      {
        peerId: new Prng(id).bytes(20),
        clientName: 'bench',
        listenPort: id,
        blockLength: BLOCK,
        uploadBytesPerSecond: 0,
        downloadBytesPerSecond: 0,
        connectionsMax: 5000,
        connectTimeoutSeconds: 10,
        handshakeTimeoutSeconds: 10,
        requestTimeoutSeconds: 60,
        idleTimeoutSeconds: 100_000,
        // Copying costs the same whatever the machine does, and would hide it.
        buffers: new PieceBuffers(undefined, {
          allocate: (length) => new Uint8Array(length),
          copy: () => {},
        }),
      },
      {
        prng: new Prng(id),
        crypto: { sha1: () => SHA1, sha256: () => SHA1 },
        buggify: () => false,
      },
    )
  }

  add(id: number, metainfo: Metainfo, pieces: number[], order: PickOrder = 'rarest'): void {
    const options = {
      metainfo,
      role: 'download' as const,
      order,
      trackers: [['http://127.0.0.1/announce']],
      selectedFiles: undefined,
      gatheringPiecesMax: Number.POSITIVE_INFINITY,
      piecesPerPeerMax: Number.POSITIVE_INFINITY,
      connectionsMax: 5000,
      uploadSlotCount: 50,
      announceIntervalSeconds: undefined,
      announcesRebuilt: false,
      exchangesPeers: false,
      usesWebSeeds: false,
    }
    this.input({ kind: 'add-torrent', torrent: id, options })
    this.input({ kind: 'checked', torrent: id, pieces })
  }

  /** As the pump does it: in, out, and when next. */
  input(input: SwarmInput): void {
    const { client } = this
    client.handle(this.now, input)
    for (let output = client.poll(); output !== undefined; output = client.poll()) this.#execute(output)
    client.nextTimeout()
  }

  /** Connects a peer of the torrent, which says so much after its handshake. */
  connect(connection: number, { infoHashV1 }: Metainfo, say: (writer: MessageWriter) => void): void {
    this.input({ kind: 'incoming', connection, address: { host: '127.0.0.1', port: 1000 - connection } })
    const writer = new MessageWriter()
    writer.raw(
      encodeHandshake({
        infoHash: infoHashV1!,
        peerId: new Prng(1000 - connection).bytes(20),
        supportsExtensions: false,
        supportsFast: true,
        supportsV2: false,
      }),
    )
    say(writer)
    this.input({ kind: 'received', connection, bytes: writer.take() })
  }

  /** Brings the completions in, which may ask for more; false when there was none. */
  settle(): boolean {
    const inputs = this.#later
    if (inputs.length === 0) return false
    this.#later = []
    for (const input of inputs) this.input(input)
    return true
  }

  #execute(output: SwarmOutput): void {
    switch (output.kind) {
      case 'send':
        return this.#send(output.connection, output.bytes, output.frame)
      case 'connect':
        return this.#connect(output.connection, output.endpoint.port)
      case 'hash-piece': {
        const { torrent, piece } = output
        this.#later.push({ kind: 'piece-hashed', torrent, piece, result: DIGESTS })
        return
      }
      case 'write-piece': {
        const { torrent, piece } = output
        this.#later.push({ kind: 'piece-written', torrent, piece, fault: undefined })
        return
      }
      case 'read-blocks': {
        const { torrent, read } = output
        this.#later.push({ kind: 'blocks-read', torrent, read, fault: undefined })
        return
      }
      case 'announce': {
        const { torrent, announce } = output
        this.#later.push({ kind: 'announce-answered', torrent, announce, result: NOBODY })
        return
      }
    }
  }
}

/** The requests in bytes that went to a peer: [piece, begin] each. */
function requestsIn(bytes: Uint8Array, into: number[]): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at + 4 < bytes.length; ) {
    const length = view.getUint32(at)
    // The handshake: no message is as long.
    if (length === 0x13426974) {
      at += 68
      continue
    }
    if (bytes[at + 4] === MESSAGE.request) into.push(view.getUint32(at + 5), view.getUint32(at + 9))
    at += 4 + length
  }
}

interface Load {
  readonly torrents: number
  readonly connections: number
  readonly serving: number
  readonly pieceCount: number
  readonly pieceLength: number
  readonly order?: PickOrder
}

/**
 * One torrent is fetched, block by block, from `serving` seeds in turn, while other torrents have nobody and
 * other connections have nothing. Nanoseconds for each block.
 */
function download({ torrents, connections, serving, pieceCount, pieceLength, order }: Load): number {
  const asked = Array.from({ length: serving }, (): number[] => [])
  const bench = new Bench(1, (connection, bytes) => {
    const queue = asked[-connection - 1]
    if (queue !== undefined) requestsIn(bytes, queue)
  })
  const metainfo = metainfoOf(1, pieceCount, pieceLength)
  bench.add(1, metainfo, [], order)
  for (let id = 2; id <= torrents; id++) bench.add(id, metainfoOf(id, 100, pieceLength), [])
  while (bench.settle());
  for (let i = serving; i < connections; i++)
    bench.connect(-i - 1, metainfo, (writer) => writer.plain(MESSAGE.haveNone))
  for (let i = 0; i < serving; i++)
    bench.connect(-i - 1, metainfo, (writer) => {
      writer.plain(MESSAGE.haveAll)
      writer.plain(MESSAGE.unchoke)
    })
  const frame = new Uint8Array(PIECE_HEADER_LENGTH + BLOCK)
  const torrent = bench.client.torrents.get(1)!
  const positions = new Array<number>(serving).fill(0)
  let count = 0
  const startedAt = cpuMilliseconds()
  while (!torrent.isComplete) {
    for (const [i, queue] of asked.entries()) {
      const at = positions[i]!
      if (at >= queue.length) continue
      positions[i] = at + 2
      writePieceHeader(frame, 0, queue[at]!, queue[at + 1]!, BLOCK)
      bench.now = instant(bench.now + 20)
      bench.input({ kind: 'received', connection: -i - 1, bytes: frame })
      while (bench.settle());
      count++
    }
    bench.now = instant(bench.now + 20)
    if (bench.client.nextTimeout()! <= bench.now) bench.input({ kind: 'tick' })
  }
  return ((cpuMilliseconds() - startedAt) * 1e6) / count
}

/** One of many connected peers asks for block after block. Nanoseconds for each block that is served. */
function upload(connections: number): number {
  let frames: Frame[] = []
  const bench = new Bench(1, (_, __, frame) => {
    if (frame !== undefined) frames.push(frame)
  })
  const metainfo = metainfoOf(1, 1024, 16 * BLOCK)
  bench.add(1, metainfo, all(metainfo))
  while (bench.settle());
  for (let i = 0; i < connections; i++)
    bench.connect(-i - 1, metainfo, (writer) => {
      writer.plain(MESSAGE.haveNone)
      if (i === 0) writer.plain(MESSAGE.interested)
    })
  const writer = new MessageWriter()
  const rounds = 4096
  const startedAt = cpuMilliseconds()
  for (let round = 0; round < rounds; round++) {
    for (let block = 0; block < 16; block++)
      writer.block(MESSAGE.request, round % metainfo.pieceCount, block * BLOCK, BLOCK)
    bench.now = instant(bench.now + 320)
    bench.input({ kind: 'received', connection: -1, bytes: writer.take() })
    while (bench.settle());
    const sent = frames
    frames = []
    for (const frame of sent) bench.input({ kind: 'sent', connection: -1, frame })
  }
  return ((cpuMilliseconds() - startedAt) * 1e6) / (16 * rounds)
}

/** One seeder and eight leechers that all know one another; nanoseconds for each block any of them gets. */
function swarm(pieceCount: number, pieceLength: number): number {
  const metainfo = metainfoOf(1, pieceCount, pieceLength)
  const benches: Bench[] = []
  /** By peer and connection: the other peer and its connection. */
  const links = Array.from({ length: 9 }, () => new Map<number, { to: number; connection: number }>())
  let queue: (() => void)[] = []
  let incoming = 0
  for (let id = 0; id < 9; id++)
    benches.push(
      new Bench(
        id + 1,
        (connection, bytes, frame) => {
          const link = links[id]!.get(connection)
          if (link === undefined) return
          queue.push(() => {
            benches[link.to]!.input({ kind: 'received', connection: link.connection, bytes })
            if (frame !== undefined) benches[id]!.input({ kind: 'sent', connection, frame })
          })
        },
        (connection, port) => {
          const theirs = -++incoming
          links[id]!.set(connection, { to: port - 1, connection: theirs })
          links[port - 1]!.set(theirs, { to: id, connection })
          queue.push(() => {
            const address = { host: '127.0.0.1', port: 40_000 + id }
            benches[port - 1]!.input({ kind: 'incoming', connection: theirs, address })
            benches[id]!.input({ kind: 'connected', connection })
          })
        },
      ),
    )
  for (const [i, bench] of benches.entries()) {
    bench.add(1, metainfo, i === 0 ? all(metainfo) : [])
    const peers = benches.slice(0, i).map((_, other) => ({ host: '127.0.0.1', port: other + 1 }))
    if (i > 0) bench.input({ kind: 'add-peers', torrent: 1, peers, source: 'manual' })
  }
  const leechers = benches.slice(1)
  const startedAt = cpuMilliseconds()
  let now = 1_000_000
  while (!leechers.every((bench) => bench.client.torrents.get(1)!.isComplete)) {
    const steps = queue
    queue = []
    for (const step of steps) step()
    now += 200
    for (const bench of benches) {
      bench.settle()
      bench.now = instant(now)
      const due = bench.client.nextTimeout()
      if (due !== undefined && due <= now) bench.input({ kind: 'tick' })
    }
  }
  return ((cpuMilliseconds() - startedAt) * 1e6) / (8 * pieceCount * (pieceLength / BLOCK))
}

/** An hour in which nothing happens: wake-ups, and milliseconds of work for all of them. */
function idle(torrents: number, connections: number): { wakes: number; milliseconds: number } {
  const bench = new Bench(1, () => {})
  const metainfo = metainfoOf(1, 1000, 16 * BLOCK)
  bench.add(1, metainfo, all(metainfo))
  for (let id = 2; id <= torrents; id++) {
    const other = metainfoOf(id, 1000, 16 * BLOCK)
    bench.add(id, other, all(other))
  }
  for (let i = 0; i < connections; i++)
    bench.connect(-i - 1, metainfo, (writer) => writer.plain(MESSAGE.haveNone))
  while (bench.settle());
  const end = bench.now + 3600e6
  let wakes = 0
  const startedAt = cpuMilliseconds()
  for (let at = bench.client.nextTimeout(); at !== undefined && at < end; at = bench.client.nextTimeout()) {
    bench.now = instant(Math.max(at, bench.now))
    bench.input({ kind: 'tick' })
    while (bench.settle());
    wakes++
  }
  return { wakes, milliseconds: cpuMilliseconds() - startedAt }
}

const { values } = parseArgs({
  options: { reps: { type: 'string', default: '5' }, only: { type: 'string', default: '' } },
})

function median(measure: () => number): number {
  const results = Array.from({ length: Number(values.reps) }, measure).sort((a, b) => a - b)
  return results[results.length >> 1]!
}

function report(name: string, measure: () => number): void {
  if (name.includes(values.only)) console.log(`${name.padEnd(58)} ${median(measure).toFixed(0)} ns/block`)
}

const MANY = { pieceCount: 2048, pieceLength: 16 * BLOCK }
const ONE = { torrents: 1, connections: 1, serving: 1, ...MANY }
report('download, 1 torrent, 1 peer', () => download(ONE))
report('download, 100 torrents, 1 peer', () => download({ ...ONE, torrents: 100 }))
report('download, 1 torrent, 1 of 1,000 peers serves', () => download({ ...ONE, connections: 1000 }))
report('download, 1 torrent, all of 1,000 peers serve', () =>
  download({ ...ONE, connections: 1000, serving: 1000 }),
)
report('download, 300,000 pieces of 1 block, in order', () =>
  download({ ...ONE, pieceCount: 300_000, pieceLength: BLOCK, order: 'sequential' }),
)
report('download, 300,000 pieces of 1 block, rarest first', () =>
  download({ ...ONE, pieceCount: 300_000, pieceLength: BLOCK }),
)
report('upload, 1 peer', () => upload(1))
report('upload, 1 of 1,000 peers asks', () => upload(1000))
report('swarm, 1 seeder and 8 leechers, 256 KiB pieces', () => swarm(1024, 16 * BLOCK))
report('swarm, 1 seeder and 8 leechers, 16 KiB pieces', () => swarm(8192, BLOCK))
for (const [torrents, connections] of [
  [100, 0],
  [100, 1000],
] as const) {
  const name = `idle for an hour, ${torrents} torrents, ${connections} peers`
  if (!name.includes(values.only)) continue
  const { wakes, milliseconds } = idle(torrents, connections)
  console.log(`${name.padEnd(58)} ${wakes} wake-ups, ${milliseconds.toFixed(0)} ms`)
}
