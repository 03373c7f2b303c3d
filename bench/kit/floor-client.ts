/**
 * The least a BitTorrent program on Node.js can do for a download from one peer, or an upload to one, from
 * its start to its end: parses a v1 torrent, asks the tracker, shakes hands, asks for every block in order
 * with many requests open, gathers pieces in shared memory, has them hashed on a second thread, and writes
 * them; or answers such requests. One connection, no choice, nothing remembered, no event told, no fault
 * forgiven but that of coming too early.
 *
 *   node floor-client.mjs get|seed TORRENT DIR HOST PORT
 *
 * Prints `done` when every piece is right and written; ends by a signal.
 * Imports nothing but Node.js and is one file, also for its second thread: it is run as plain JavaScript, so
 * that its start is the least there is.
 */
import { hash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readFileSync, readSync, write } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const BLOCK_BYTES = 16 * 1024
/** As many as libtorrent answers without losing any. */
const REQUESTS_MAX = 1024
/** Gathered, hashed or written at the same time, at most. */
const SLOTS = 48
const RETRY_MS = 100
const HANDSHAKE_BYTES = 68
const PIECE_HEADER_BYTES = 13
const READ_BYTES = 256 * 1024
/** Answers that the socket has not taken yet. */
const SENDING_MAX = 1024 * 1024

/** Of messages (BEP 3). */
const Kind = { unchoke: 1, interested: 2, bitfield: 5, request: 6, piece: 7 } as const

interface File {
  readonly path: string
  readonly offset: number
  readonly length: number
}

type Value = number | Buffer | Value[] | Map<string, Value>

/** A torrent that is believed to be well-formed. */
class Torrent {
  readonly announce: URL
  readonly infoHash: Buffer
  readonly pieceLength: number
  readonly hashes: Buffer
  readonly files: File[] = []
  readonly length: number
  readonly pieceCount: number
  #bytes: Buffer
  #at = 0
  #info: [number, number] = [0, 0]

  constructor(file: string, dir: string) {
    this.#bytes = readFileSync(file)
    const torrent = this.#value() as Map<string, Value>
    this.announce = new URL(String(torrent.get('announce')))
    const info = torrent.get('info') as Map<string, Value>
    this.infoHash = hash('sha1', this.#bytes.subarray(...this.#info), 'buffer')
    this.pieceLength = info.get('piece length') as number
    this.hashes = info.get('pieces') as Buffer
    const name = String(info.get('name'))
    const list = (info.get('files') as Map<string, Value>[] | undefined) ?? [info]
    let offset = 0
    for (const entry of list) {
      const names = ((entry.get('path') as Buffer[] | undefined) ?? []).map(String)
      const length = entry.get('length') as number
      this.files.push({ path: path.join(dir, name, ...names), offset, length })
      offset += length
    }
    this.length = offset
    this.pieceCount = this.hashes.length / 20
  }

  pieceSize(piece: number): number {
    return Math.min(this.pieceLength, this.length - piece * this.pieceLength)
  }

  /**
   * Calls back for each file under a range of a piece: the file, where in it, where in the range, how much.
   */
  eachPart(
    piece: number,
    begin: number,
    length: number,
    use: (file: number, position: number, at: number, length: number) => void,
  ): void {
    let at = piece * this.pieceLength + begin
    const end = at + length
    let low = 0
    for (let high = this.files.length; low < high; ) {
      const middle = (low + high) >> 1
      const { offset, length: size } = this.files[middle]!
      if (offset + size > at) high = middle
      else low = middle + 1
    }
    for (let file = low; at < end; file++) {
      const { offset, length: size } = this.files[file]!
      const count = Math.min(end, offset + size) - at
      if (count > 0) use(file, at - offset, at - (end - length), count)
      at += count
    }
  }

  #value(): Value {
    const bytes = this.#bytes
    const first = String.fromCharCode(bytes[this.#at]!)
    if (first === 'i') return this.#number('e', ++this.#at)
    if (first === 'l') {
      const list: Value[] = []
      for (this.#at++; bytes[this.#at] !== 0x65; ) list.push(this.#value())
      this.#at++
      return list
    }
    if (first === 'd') {
      const map = new Map<string, Value>()
      for (this.#at++; bytes[this.#at] !== 0x65; ) {
        const key = String(this.#value())
        const start = this.#at
        map.set(key, this.#value())
        if (key === 'info') this.#info = [start, this.#at]
      }
      this.#at++
      return map
    }
    const length = this.#number(':', this.#at)
    this.#at += length
    return bytes.subarray(this.#at - length, this.#at)
  }

  #number(end: string, at: number): number {
    const stop = this.#bytes.indexOf(end, at)
    this.#at = stop + 1
    return Number(this.#bytes.toString('latin1', at, stop))
  }
}

function handshake(infoHash: Buffer): Buffer {
  const peerId = Buffer.from(`-FL0001-${String(process.pid).padStart(12, '0')}`)
  return Buffer.concat([Buffer.from('\x13BitTorrent protocol'), Buffer.alloc(8), infoHash, peerId])
}

function message(kind: number, length: number): Buffer {
  const bytes = Buffer.alloc(5 + length)
  bytes.writeUInt32BE(1 + length)
  bytes[4] = kind
  return bytes
}

/** Takes a stream apart: heads of messages whole, blocks as they come. */
abstract class Peer {
  protected readonly torrent: Torrent
  protected socket!: net.Socket
  readonly #read = Buffer.allocUnsafeSlow(READ_BYTES)
  readonly #head = Buffer.alloc(HANDSHAKE_BYTES)
  #headFilled = 0
  #headWanted = HANDSHAKE_BYTES
  #isShaken = false
  /** Bytes of the message under way that are still to come. */
  #left = 0

  constructor(torrent: Torrent) {
    this.torrent = torrent
  }

  /** What is to be known of a message before the rest: 5, or 13 of a block. */
  protected abstract begun(kind: number, head: Buffer, left: number): void
  protected abstract block(bytes: Buffer, start: number, end: number): void
  protected abstract ended(): void
  /** All that was at hand is read. */
  protected abstract readUp(): void

  protected options(): { buffer: Buffer; callback: (length: number) => boolean } {
    return {
      buffer: this.#read,
      callback: (length) => {
        for (let at = 0; at < length; ) at = this.#take(at, length)
        this.readUp()
        return true
      },
    }
  }

  /** The next byte is the first of a connection. */
  protected restart(): void {
    this.#isShaken = false
    this.#left = 0
    this.#next(HANDSHAKE_BYTES)
  }

  #take(at: number, end: number): number {
    if (this.#left > 0) {
      const count = Math.min(this.#left, end - at)
      this.block(this.#read, at, at + count)
      this.#left -= count
      if (this.#left === 0) this.ended()
      return at + count
    }
    const count = Math.min(this.#headWanted - this.#headFilled, end - at)
    this.#read.copy(this.#head, this.#headFilled, at, at + count)
    this.#headFilled += count
    if (this.#headFilled === this.#headWanted) this.#headArrived()
    return at + count
  }

  #headArrived(): void {
    if (!this.#isShaken) {
      this.#isShaken = true
      this.#next(4)
      return
    }
    const length = this.#head.readUInt32BE(0)
    if (this.#headWanted === 4) return length === 0 ? this.#next(4) : this.#next(5, true)
    const kind = this.#head[4]!
    const wanted = kind === Kind.piece ? PIECE_HEADER_BYTES : kind === Kind.request ? 17 : 5
    if (this.#headWanted < wanted) return this.#next(wanted, true)
    this.#left = length + 4 - wanted
    this.begun(kind, this.#head, this.#left)
    this.#next(4)
  }

  #next(wanted: number, isMore = false): void {
    this.#headWanted = wanted
    if (!isMore) this.#headFilled = 0
  }
}

class Leecher extends Peer {
  readonly #slots: readonly Buffer[]
  readonly #free: number[] = []
  readonly #slotOf = new Map<number, { readonly slot: number; left: number }>()
  readonly #fds = new Map<number, { readonly fd: number; left: number }>()
  readonly #localAddress: string
  readonly #hasher: Worker
  readonly #requests: Buffer[] = []
  #isUnchoked = false
  #openRequests = 0
  #askPiece = 0
  #askBegin = 0
  #writtenPieces = 0
  #target = { slot: 0, at: 0, piece: 0, isBlock: false, length: 0 }

  constructor(torrent: Torrent, localAddress: string) {
    super(torrent)
    const size = Math.ceil(torrent.pieceLength / BLOCK_BYTES) * BLOCK_BYTES
    const memory = new SharedArrayBuffer(SLOTS * size)
    this.#slots = Array.from({ length: SLOTS }, (_, slot) => Buffer.from(memory, slot * size, size))
    for (let slot = SLOTS; slot-- > 0; ) this.#free.push(slot)
    this.#hasher = new Worker(new URL(import.meta.url), { workerData: { memory, size } })
    this.#hasher.on('message', ([piece, digest]: [number, Uint8Array]) => this.#hashed(piece, digest))
    for (const folder of new Set(torrent.files.map((file) => path.dirname(file.path))))
      mkdirSync(folder, { recursive: true })
    this.#localAddress = localAddress
  }

  connect(host: string, port: number): void {
    this.restart()
    const options = { host, port, localAddress: this.#localAddress, noDelay: true, onread: this.options() }
    this.socket = net.connect(options)
    // A seeder may be in the tracker before it lets anybody in.
    this.socket.on('close', () => setTimeout(() => this.connect(host, port), RETRY_MS))
    this.socket.write(handshake(this.torrent.infoHash))
    this.socket.write(message(Kind.interested, 0))
  }

  protected begun(kind: number, head: Buffer, left: number): void {
    if (kind === Kind.unchoke) this.#isUnchoked = true
    this.#target.isBlock = kind === Kind.piece
    if (kind !== Kind.piece) return
    const piece = head.readUInt32BE(5)
    const { slot } = this.#slotOf.get(piece)!
    this.#target = { slot, piece, at: head.readUInt32BE(9), isBlock: true, length: left }
  }

  protected block(bytes: Buffer, start: number, end: number): void {
    if (!this.#target.isBlock) return
    bytes.copy(this.#slots[this.#target.slot]!, this.#target.at, start, end)
    this.#target.at += end - start
  }

  protected ended(): void {
    if (!this.#target.isBlock) return
    this.#openRequests--
    const place = this.#slotOf.get(this.#target.piece)!
    place.left -= this.#target.length
    if (place.left > 0) return
    const { piece } = this.#target
    this.#hasher.postMessage([piece, place.slot, this.torrent.pieceSize(piece)])
  }

  protected readUp(): void {
    this.#ask()
  }

  #ask(): void {
    if (!this.#isUnchoked || this.#openRequests > REQUESTS_MAX - 32) return
    while (this.#openRequests < REQUESTS_MAX && this.#askPiece < this.torrent.pieceCount) {
      const size = this.torrent.pieceSize(this.#askPiece)
      if (this.#askBegin === 0) {
        const slot = this.#free.pop()
        if (slot === undefined) break
        this.#slotOf.set(this.#askPiece, { slot, left: size })
      }
      const request = message(Kind.request, 12)
      request.writeUInt32BE(this.#askPiece, 5)
      request.writeUInt32BE(this.#askBegin, 9)
      request.writeUInt32BE(Math.min(BLOCK_BYTES, size - this.#askBegin), 13)
      this.#requests.push(request)
      this.#openRequests++
      this.#askBegin += BLOCK_BYTES
      if (this.#askBegin < size) continue
      this.#askBegin = 0
      this.#askPiece++
    }
    if (this.#requests.length > 0) this.socket.write(Buffer.concat(this.#requests))
    this.#requests.length = 0
  }

  #hashed(piece: number, digest: Uint8Array): void {
    const { torrent } = this
    if (Buffer.compare(digest, torrent.hashes.subarray(20 * piece, 20 * piece + 20)) !== 0)
      throw new Error(`piece ${piece} is wrong`)
    const { slot } = this.#slotOf.get(piece)!
    const bytes = this.#slots[slot]!
    let parts = 0
    torrent.eachPart(piece, 0, torrent.pieceSize(piece), (file, position, at, length) => {
      parts++
      const { path: name, length: left } = torrent.files[file]!
      let open = this.#fds.get(file)
      if (open === undefined) this.#fds.set(file, (open = { fd: openSync(name, 'w'), left }))
      const { fd } = open
      write(fd, bytes, at, length, position, (error, written) => {
        if (error !== null || written !== length) throw error ?? new Error('short write')
        open.left -= length
        if (open.left === 0) {
          this.#fds.delete(file)
          closeSync(fd)
        }
        if (--parts === 0) this.#written(piece, slot)
      })
    })
  }

  #written(piece: number, slot: number): void {
    this.#slotOf.delete(piece)
    this.#free.push(slot)
    if (++this.#writtenPieces < this.torrent.pieceCount) return this.#ask()
    console.log('done')
  }
}

class Seeder extends Peer {
  readonly #fds = new Map<number, number>()
  readonly #waiting: [piece: number, begin: number, length: number][] = []
  #sending = 0

  constructor(torrent: Torrent, accepted: net.Socket) {
    super(torrent)
    const holder = accepted as unknown as { _handle: object | null }
    const options = { handle: holder._handle, noDelay: true, onread: this.options() }
    this.socket = new net.Socket(options as unknown as net.SocketConstructorOpts)
    holder._handle = null
    this.socket.on('error', () => {})
    this.socket.resume()
    this.socket.write(handshake(torrent.infoHash))
    const all = message(Kind.bitfield, Math.ceil(torrent.pieceCount / 8))
    for (let piece = 0; piece < torrent.pieceCount; piece++) all[5 + (piece >> 3)]! |= 0x80 >> (piece & 7)
    this.socket.write(all)
    this.socket.write(message(Kind.unchoke, 0))
  }

  protected begun(kind: number, head: Buffer): void {
    if (kind === Kind.request)
      this.#waiting.push([head.readUInt32BE(5), head.readUInt32BE(9), head.readUInt32BE(13)])
  }

  protected block(): void {}
  protected ended(): void {}

  protected readUp(): void {
    this.#serve()
  }

  /** Up to 32 neighbouring blocks in one frame. */
  #serve(): void {
    while (this.#waiting.length > 0 && this.#sending < SENDING_MAX) {
      const [piece, begin] = this.#waiting[0]!
      let count = 0
      let end = begin
      while (count < 32 && this.#waiting[count]?.[0] === piece && this.#waiting[count]![1] === end)
        end += this.#waiting[count++]![2]
      const frame = Buffer.allocUnsafeSlow(end - begin + count * PIECE_HEADER_BYTES)
      let at = 0
      for (const [, start, length] of this.#waiting.splice(0, count)) {
        frame.writeUInt32BE(9 + length, at)
        frame[at + 4] = Kind.piece
        frame.writeUInt32BE(piece, at + 5)
        frame.writeUInt32BE(start, at + 9)
        at += PIECE_HEADER_BYTES
        this.torrent.eachPart(piece, start, length, (file, position, offset, size) => {
          readSync(this.#open(file), frame, at + offset, size, position)
        })
        at += length
      }
      this.#sending += frame.length
      this.socket.write(frame, () => {
        this.#sending -= frame.length
        this.#serve()
      })
    }
  }

  #open(file: number): number {
    let fd = this.#fds.get(file)
    if (fd !== undefined) return fd
    if (this.#fds.size >= 64) {
      const [oldest, old] = this.#fds.entries().next().value!
      this.#fds.delete(oldest)
      closeSync(old)
    }
    fd = openSync(this.torrent.files[file]!.path, 'r')
    this.#fds.set(file, fd)
    return fd
  }
}

/**
 * Calls back with each peer that the tracker knows; what it is not asked nicely for it does not say (BEP 23).
 */
function announce(
  torrent: Torrent,
  host: string,
  port: number,
  left: number,
  use: Leecher | undefined,
): void {
  const { hostname, port: trackerPort, pathname } = torrent.announce
  const infoHash = torrent.infoHash.toString('hex').replace(/../g, '%$&')
  const peerId = `-FL0001-${String(process.pid).padStart(12, '0')}`
  const query = `info_hash=${infoHash}&peer_id=${peerId}&port=${port}&uploaded=0&downloaded=0&left=${left}`
  const socket = net.connect({ host: hostname, port: Number(trackerPort), localAddress: host })
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('end', () => {
    const answer = Buffer.concat(chunks)
    const at = answer.indexOf('5:peers') + 7
    const start = answer.indexOf(':', at) + 1
    const end = start + Number(answer.toString('latin1', at, start - 1))
    for (let peer = start; peer < end; peer += 6) {
      const address = [...answer.subarray(peer, peer + 4)].join('.')
      if (address !== host) return use?.connect(address, answer.readUInt16BE(peer + 4))
    }
  })
  const path = `${pathname}?${query}&compact=1&event=started`
  socket.end(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`)
}

function main([what, file, dir, host, port]: readonly string[]): void {
  const torrent = new Torrent(file!, dir!)
  if (what === 'get')
    return announce(torrent, host!, Number(port), torrent.length, new Leecher(torrent, host!))
  net
    .createServer({ pauseOnConnect: true }, (socket) => new Seeder(torrent, socket))
    .listen(Number(port), host, () => announce(torrent, host!, Number(port), 0, undefined))
}

function hashPieces({ memory, size }: { memory: SharedArrayBuffer; size: number }): void {
  parentPort!.on('message', ([piece, slot, length]: [number, number, number]) => {
    const digest = hash('sha1', new Uint8Array(memory, slot * size, length), 'buffer')
    parentPort!.postMessage([piece, digest])
  })
}

if (isMainThread) main(process.argv.slice(2))
else hashPieces(workerData as Parameters<typeof hashPieces>[0])
