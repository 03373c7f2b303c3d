/**
 * The least a BitTorrent program on Node.js can do in a swarm, from its start to its end: parses a v1 torrent
 * of one file, connects with peers that are named, shakes hands, tells what it has and hears what others
 * have, asks for what is rarest, gathers pieces, hashes and writes them, and answers requests from the file.
 * All on one thread: with more processes than cores a second one costs more than it brings. Everybody is
 * unchoked, nothing is remembered, no event is told, and no fault is forgiven but that of coming too early.
 *
 *   node floor-swarm.mjs get|seed TORRENT DIR HOST PORT [PEER_HOST:PEER_PORT ...]
 *
 * Of two peers the one with the higher address dials, every 100 ms until the other is there. The list may
 * name the program itself.
 * Prints `ready` once it listens and `done` when every piece is right and written; ends by a signal.
 * Imports nothing but Node.js: it is run as plain JavaScript, so that its start is the least there is.
 */
import { hash } from 'node:crypto'
import { mkdirSync, openSync, readFileSync, readSync, readvSync, writeSync } from 'node:fs'
import net from 'node:net'

const BLOCK_BYTES = 16 * 1024
/**
 * Asked of each peer at the same time, at least: the less is under way, the more of it is still in the
 * processor's caches. Of eight peers there is always one that has something to send.
 */
const ASKED_BYTES = 1024 * 1024
/** Neighbouring blocks that are read and sent together: as much as the other reads at once. */
const FRAME_BLOCKS = 16
/** Answers to one peer that its socket has not taken yet. */
const SENDING_MAX = 1024 * 1024
const READ_BYTES = 256 * 1024
const RETRY_MS = 100
/** News of pieces that come within this span go out together. */
const HAVE_MS = 50
/** When no piece is left to ask for, one that was asked for so long ago is asked of another peer too. */
const OVERDUE_MS = 1000
const HANDSHAKE_BYTES = 68
const BLOCK_HEADER_BYTES = 13
const REQUEST_BYTES = 17
/** As many as libtorrent allows, and more than we ever ask for. */
const REQUESTS_MAX = 2048

/** Of messages (BEP 3). */
const Kind = { unchoke: 1, interested: 2, have: 4, bitfield: 5, request: 6, piece: 7 } as const
/** Of pieces. */
const State = { missing: 0, asked: 1, here: 2 } as const

/** A torrent of one file that is believed to be well-formed. */
class Torrent {
  readonly infoHash: Buffer
  readonly name: string
  readonly length: number
  readonly pieceLength: number
  readonly hashes: Buffer
  readonly pieceCount: number
  readonly #bytes: Buffer
  #at = 0

  constructor(file: string) {
    this.#bytes = readFileSync(file)
    // The info dictionary is the only place of these keys, and the last value of a torrent of one file.
    const start = this.#bytes.indexOf('4:infod') + 6
    const info = new Map<string, number | Buffer>()
    for (this.#at = start + 1; this.#bytes[this.#at] !== 0x65; )
      info.set(String(this.#value()), this.#value())
    this.infoHash = hash('sha1', this.#bytes.subarray(start, this.#at + 1), 'buffer')
    this.name = String(info.get('name'))
    this.length = info.get('length') as number
    this.pieceLength = info.get('piece length') as number
    this.hashes = info.get('pieces') as Buffer
    this.pieceCount = this.hashes.length / 20
  }

  pieceSize(piece: number): number {
    return Math.min(this.pieceLength, this.length - piece * this.pieceLength)
  }

  #value(): number | Buffer {
    if (this.#bytes[this.#at] === 0x69) return this.#number('e', this.#at + 1)
    const length = this.#number(':', this.#at)
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  #number(end: string, at: number): number {
    const stop = this.#bytes.indexOf(end, at)
    this.#at = stop + 1
    return Number(this.#bytes.toString('latin1', at, stop))
  }
}

/** Blocks with the heads of their messages between them, laid out once. */
class Frame {
  readonly bytes = Buffer.allocUnsafeSlow(FRAME_BLOCKS * (BLOCK_HEADER_BYTES + BLOCK_BYTES))
  readonly blocks: Buffer[] = []

  constructor() {
    for (let at = 0; at < this.bytes.length; at += BLOCK_BYTES) {
      this.bytes.writeUInt32BE(9 + BLOCK_BYTES, at)
      this.bytes[at + 4] = Kind.piece
      at += BLOCK_HEADER_BYTES
      this.blocks.push(this.bytes.subarray(at, at + BLOCK_BYTES))
    }
  }

  /** Whole blocks from a file. @returns what to send */
  fill(fd: number, position: number, piece: number, begin: number, count: number): Buffer {
    const { bytes, blocks } = this
    const end = count * (BLOCK_HEADER_BYTES + BLOCK_BYTES)
    for (let at = 5; at < end; at += BLOCK_HEADER_BYTES + BLOCK_BYTES) {
      bytes.writeUInt32BE(piece, at)
      bytes.writeUInt32BE(begin, at + 4)
      begin += BLOCK_BYTES
    }
    readvSync(fd, count === FRAME_BLOCKS ? blocks : blocks.slice(0, count), position)
    return count === FRAME_BLOCKS ? bytes : bytes.subarray(0, end)
  }
}

/** A piece that was asked of a peer. */
interface Arrival {
  readonly piece: number
  /** Bytes that are still to come. */
  left: number
  /** From its first byte on. */
  bytes: Buffer | undefined
}

/** Neighbouring blocks that a peer asked for: all of 16 KiB, or a single one of another size. */
interface Range {
  readonly piece: number
  begin: number
  end: number
  readonly isWhole: boolean
}

class Swarm {
  readonly torrent: Torrent
  readonly fd: number
  readonly hello: Buffer
  readonly readBuffer = Buffer.allocUnsafeSlow(READ_BYTES)
  readonly states: Uint8Array
  /** How many peers have each piece. */
  readonly holders: Uint16Array
  readonly peers = new Set<Peer>()
  /** Kept for the next read. */
  readonly frames: Frame[] = []
  readonly #askedAt: Float64Array
  readonly #pieceBuffers: Buffer[] = []
  /** Written, and not told yet. */
  #news: number[] = []
  #timer: NodeJS.Timeout | undefined
  #missing = 0
  #left = 0

  constructor(torrent: Torrent, dir: string, isSeed: boolean) {
    this.torrent = torrent
    if (!isSeed) mkdirSync(dir, { recursive: true })
    this.fd = openSync(`${dir}/${torrent.name}`, isSeed ? 'r' : 'w+')
    this.states = new Uint8Array(torrent.pieceCount).fill(isSeed ? State.here : State.missing)
    this.holders = new Uint16Array(torrent.pieceCount)
    this.#askedAt = new Float64Array(torrent.pieceCount)
    if (!isSeed) this.#missing = this.#left = torrent.pieceCount
    const peerId = `-FL0001-${String(process.pid).padStart(12, '0')}`
    const protocol = Buffer.from('\x13BitTorrent protocol')
    this.hello = Buffer.concat([protocol, Buffer.alloc(8), torrent.infoHash, Buffer.from(peerId)])
  }

  remove(peer: Peer): void {
    this.peers.delete(peer)
    for (let piece = 0; piece < peer.has.length; piece++) this.holders[piece]! -= peer.has[piece]!
    for (const { piece, bytes } of peer.asked) {
      if (bytes !== undefined) this.#pieceBuffers.push(bytes)
      if (this.states[piece] !== State.asked) continue
      this.states[piece] = State.missing
      this.#missing++
    }
  }

  takePieceBuffer(): Buffer {
    return this.#pieceBuffers.pop() ?? Buffer.allocUnsafeSlow(this.torrent.pieceLength)
  }

  /** One of the rarest pieces that this peer has and nobody was asked for; -1 = none. */
  choose({ has, asked }: Peer): number {
    const { states, holders } = this
    const count = states.length
    let rarest = -1
    let fewest = 0xffff
    if (this.#missing > 0) {
      let piece = Math.floor(Math.random() * count)
      for (let i = 0; i < count; i++) {
        if (states[piece] === State.missing && has[piece] === 1 && holders[piece]! < fewest) {
          rarest = piece
          fewest = holders[piece]!
        }
        if (++piece === count) piece = 0
      }
      if (rarest >= 0) this.#missing--
    } else if (this.#left > 0) {
      const overdue = performance.now() - OVERDUE_MS
      for (let piece = 0; piece < count && rarest < 0; piece++)
        if (states[piece] === State.asked && has[piece] === 1 && this.#askedAt[piece]! < overdue)
          if (!asked.some((arrival) => arrival.piece === piece)) rarest = piece
    }
    if (rarest < 0) return -1
    states[rarest] = State.asked
    this.#askedAt[rarest] = performance.now()
    return rarest
  }

  arrived(piece: number, bytes: Buffer): void {
    const { torrent, states, fd } = this
    if (states[piece] === State.missing) this.#missing--
    if (states[piece] !== State.here) {
      const size = torrent.pieceSize(piece)
      const data = size === bytes.length ? bytes : bytes.subarray(0, size)
      if (torrent.hashes.compare(hash('sha1', data, 'buffer'), 0, 20, 20 * piece, 20 * piece + 20) !== 0)
        throw new Error(`piece ${piece} is wrong`)
      if (writeSync(fd, data, 0, size, piece * torrent.pieceLength) !== size) throw new Error('short write')
      states[piece] = State.here
      this.#news.push(piece)
      this.#timer ??= setTimeout(() => this.#tell(), HAVE_MS)
      if (--this.#left === 0) writeSync(1, 'done\n')
    }
    this.#pieceBuffers.push(bytes)
  }

  #tell(): void {
    const bytes = Buffer.alloc(9 * this.#news.length)
    for (let i = 0; i < this.#news.length; i++) {
      bytes[9 * i + 3] = 5
      bytes[9 * i + 4] = Kind.have
      bytes.writeUInt32BE(this.#news[i]!, 9 * i + 5)
    }
    this.#news = []
    const isWaiting = this.#missing === 0 && this.#left > 0
    this.#timer = isWaiting ? setTimeout(() => this.#tell(), HAVE_MS) : undefined
    for (const peer of this.peers) {
      if (bytes.length > 0) peer.socket.write(bytes)
      if (isWaiting) peer.ask()
    }
  }
}

class Peer {
  /** 1 for each piece that it has. */
  readonly has: Uint8Array
  /** In this order. */
  readonly asked: Arrival[] = []
  readonly socket: net.Socket
  readonly #swarm: Swarm
  readonly #head = Buffer.alloc(HANDSHAKE_BYTES)
  #headFilled = 0
  #isShaken = false
  #isUnchoking = false
  /** Bytes of the message under way that are still to come. */
  #left = 0
  /** Where those go, if anywhere. */
  #target: Buffer | undefined
  #targetAt = 0
  #arrival: Arrival | undefined
  #bitfield: Buffer | undefined
  readonly #wanted: Range[] = []
  #wantedBlocks = 0
  #sending = 0

  constructor(swarm: Swarm, connect: (options: net.SocketConstructorOpts) => net.Socket) {
    this.#swarm = swarm
    this.has = new Uint8Array(swarm.torrent.pieceCount)
    const onread = { buffer: swarm.readBuffer, callback: (length: number) => this.#read(length) }
    this.socket = connect({ onread })
    this.socket.on('error', () => {})
    this.socket.on('close', () => swarm.remove(this))
    this.socket.on('connect', () => this.#greet())
    if (!this.socket.connecting) this.#greet()
  }

  /** Asks for whole pieces, so that the other reads and sends much at a time. */
  ask(): void {
    if (!this.#isUnchoking) return
    while (this.asked.length * this.#swarm.torrent.pieceLength < ASKED_BYTES) {
      const piece = this.#swarm.choose(this)
      if (piece < 0) return
      const size = this.#swarm.torrent.pieceSize(piece)
      this.asked.push({ piece, left: size, bytes: undefined })
      const bytes = Buffer.allocUnsafe(REQUEST_BYTES * Math.ceil(size / BLOCK_BYTES))
      for (let begin = 0, at = 0; begin < size; begin += BLOCK_BYTES) {
        bytes.writeUInt32BE(REQUEST_BYTES - 4, at)
        bytes[at + 4] = Kind.request
        bytes.writeUInt32BE(piece, at + 5)
        bytes.writeUInt32BE(begin, at + 9)
        at = bytes.writeUInt32BE(Math.min(BLOCK_BYTES, size - begin), at + 13)
      }
      this.socket.write(bytes)
    }
  }

  #greet(): void {
    const { states, hello } = this.#swarm
    this.#swarm.peers.add(this)
    const ours = Buffer.alloc(5 + Math.ceil(states.length / 8))
    ours.writeUInt32BE(ours.length - 4)
    ours[4] = Kind.bitfield
    for (let piece = 0; piece < states.length; piece++)
      if (states[piece] === State.here) ours[5 + (piece >> 3)]! |= 0x80 >> (piece & 7)
    const rest = Buffer.from([0, 0, 0, 1, Kind.unchoke, 0, 0, 0, 1, Kind.interested])
    this.socket.write(Buffer.concat([hello, ours, rest]))
  }

  #read(length: number): boolean {
    const buffer = this.#swarm.readBuffer
    for (let at = 0; at < length; ) {
      if (this.#left === 0) {
        at = this.#takeHead(buffer, at, length)
        continue
      }
      const end = Math.min(length, at + this.#left)
      if (this.#target !== undefined) buffer.copy(this.#target, this.#targetAt, at, end)
      this.#targetAt += end - at
      this.#left -= end - at
      at = end
      if (this.#left === 0) this.#ended()
    }
    this.ask()
    if (this.#wanted.length > 0) this.#serve()
    return true
  }

  /** Heads are read where they are, unless they end in the next read. @returns where the rest begins */
  #takeHead(buffer: Buffer, at: number, end: number): number {
    if (this.#headFilled === 0 && this.#isShaken && end - at >= REQUEST_BYTES)
      return at + this.#begun(buffer, at)
    this.#head[this.#headFilled++] = buffer[at]!
    if (this.#headFilled < this.#headSize()) return at + 1
    this.#headFilled = 0
    if (this.#isShaken) this.#begun(this.#head, 0)
    else {
      this.#isShaken = true
      if (this.#head.compare(this.#swarm.torrent.infoHash, 0, 20, 28, 48) !== 0) this.socket.destroy()
    }
    return at + 1
  }

  #headSize(): number {
    if (!this.#isShaken) return HANDSHAKE_BYTES
    if (this.#headFilled < 4) return 4
    const length = this.#head.readUInt32BE(0)
    if (length === 0 || this.#headFilled === 4) return Math.min(4 + length, 5)
    return 4 + headLength(this.#head[4]!, length)
  }

  /** @returns bytes of the head */
  #begun(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at)
    if (length === 0) return 4
    const kind = bytes[at + 4]!
    const head = headLength(kind, length)
    this.#left = length - head
    this.#target = undefined
    if (kind === Kind.piece) this.#blockBegun(bytes.readUInt32BE(at + 5), bytes.readUInt32BE(at + 9))
    else if (kind === Kind.request)
      this.#requested(bytes.readUInt32BE(at + 5), bytes.readUInt32BE(at + 9), bytes.readUInt32BE(at + 13))
    else if (kind === Kind.have) this.#has(bytes.readUInt32BE(at + 5))
    else if (kind === Kind.unchoke) this.#isUnchoking = true
    else if (kind === Kind.bitfield) {
      this.#target = this.#bitfield = Buffer.alloc(this.#left)
      this.#targetAt = 0
    }
    return 4 + head
  }

  #blockBegun(piece: number, begin: number): void {
    let arrival = this.asked[0]
    if (arrival?.piece !== piece) arrival = this.asked.find((one) => one.piece === piece)
    if (
      arrival === undefined ||
      this.#left > arrival.left ||
      begin + this.#left > this.#swarm.torrent.pieceSize(piece)
    )
      return void this.socket.destroy()
    arrival.bytes ??= this.#swarm.takePieceBuffer()
    arrival.left -= this.#left
    this.#arrival = arrival
    this.#target = arrival.bytes
    this.#targetAt = begin
  }

  #ended(): void {
    const arrival = this.#arrival
    if (this.#bitfield !== undefined) {
      for (let piece = 0; piece < this.has.length; piece++)
        if (this.#bitfield[piece >> 3]! & (0x80 >> (piece & 7))) this.#has(piece)
      this.#bitfield = undefined
    } else if (arrival?.left === 0) {
      this.#arrival = undefined
      this.asked.splice(this.asked.indexOf(arrival), 1)
      this.#swarm.arrived(arrival.piece, arrival.bytes!)
    }
  }

  #has(piece: number): void {
    if (this.has[piece] !== 0) return
    this.has[piece] = 1
    this.#swarm.holders[piece]!++
  }

  #requested(piece: number, begin: number, length: number): void {
    const { states, torrent } = this.#swarm
    const isHere = states[piece] === State.here && begin + length <= torrent.pieceSize(piece)
    if (!isHere || length > BLOCK_BYTES || this.#wantedBlocks++ >= REQUESTS_MAX)
      return void this.socket.destroy()
    const isWhole = length === BLOCK_BYTES
    const last = this.#wanted.at(-1)
    if (last !== undefined && isWhole && last.isWhole && last.piece === piece && last.end === begin)
      last.end += length
    else this.#wanted.push({ piece, begin, end: begin + length, isWhole })
  }

  #serve(): void {
    const { fd, torrent } = this.#swarm
    while (this.#wanted.length > 0 && this.#sending < SENDING_MAX) {
      const range = this.#wanted[0]!
      const { piece, begin, end, isWhole } = range
      const position = piece * torrent.pieceLength + begin
      const count = isWhole ? Math.min(FRAME_BLOCKS, (end - begin) / BLOCK_BYTES) : 1
      this.#wantedBlocks -= count
      if (isWhole) range.begin += count * BLOCK_BYTES
      if (!isWhole || range.begin === end) this.#wanted.shift()
      if (isWhole) {
        const frame = this.#swarm.frames.pop() ?? new Frame()
        this.#send(frame.fill(fd, position, piece, begin, count), frame)
      } else this.#send(oddBlock(fd, position, piece, begin, end - begin), undefined)
    }
  }

  #send(bytes: Buffer, frame: Frame | undefined): void {
    this.#sending += bytes.length
    this.socket.write(bytes, () => {
      this.#sending -= bytes.length
      if (frame !== undefined) this.#swarm.frames.push(frame)
      if (this.#wanted.length > 0) this.#serve()
    })
  }
}

/** What is to be known of a message before the rest of it, without the length. */
function headLength(kind: number, length: number): number {
  const wanted = kind === Kind.piece ? 9 : kind === Kind.request ? 13 : kind === Kind.have ? 5 : 1
  return Math.min(length, wanted)
}

/** One that does not fit a frame: the last of a file. */
function oddBlock(fd: number, position: number, piece: number, begin: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(BLOCK_HEADER_BYTES + length)
  bytes.writeUInt32BE(9 + length)
  bytes[4] = Kind.piece
  bytes.writeUInt32BE(piece, 5)
  bytes.writeUInt32BE(begin, 9)
  readSync(fd, bytes, BLOCK_HEADER_BYTES, length, position)
  return bytes
}

function main([what, file, dir, host, port, ...peers]: readonly string[]): void {
  const swarm = new Swarm(new Torrent(file!), dir!, what === 'seed')
  const server = net.createServer({ pauseOnConnect: true }, (accepted) => {
    // Only a socket of our own making reads into our buffer.
    const holder = accepted as unknown as { _handle: object | null }
    const handle = holder._handle
    holder._handle = null
    const { socket } = new Peer(swarm, (options) => {
      const all = { ...options, handle } as unknown as net.SocketConstructorOpts
      return new net.Socket(all).setNoDelay(true)
    })
    socket.resume()
  })
  server.listen(Number(port), host, () => writeSync(1, 'ready\n'))
  const own = ordered(`${host}:${port}`)
  for (const peer of peers) if (ordered(peer) < own) dial(swarm, host!, peer)
}

function dial(swarm: Swarm, localAddress: string, address: string): void {
  const [host, port] = address.split(':')
  const { socket } = new Peer(swarm, (options) =>
    net.connect({ ...options, host: host!, port: Number(port), localAddress, noDelay: true }),
  )
  socket.on('close', () => setTimeout(dial, RETRY_MS, swarm, localAddress, address))
}

/** Of the same length for all addresses, so that texts are in the order of the numbers. */
function ordered(address: string): string {
  return address
    .split(/[.:]/)
    .map((part) => part.padStart(5, '0'))
    .join()
}

main(process.argv.slice(2))
