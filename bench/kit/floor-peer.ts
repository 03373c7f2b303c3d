/**
 * One process of the floor under a swarm: what any peer on Node.js has to do for the bytes alone, from its
 * start to its end. It reads pieces of 1 MiB from all others at once into one buffer, gathers them in shared
 * memory, has them hashed on a second thread, writes them, and passes on to all others what it had from the
 * source. No protocol, no requests, no choice: whose piece comes when is fixed (piece P goes from the source
 * to leecher P modulo their number, and from there to the rest), so that as many bytes move between as many
 * processes as in a swarm in which the source sends everything once.
 *
 *   node floor-peer.mjs INDEX PORTS FILE BYTES [read-back]
 *
 * PORTS of all processes, by index, with commas between; 0 is the source, which serves FILE. With `read-back`
 * a leecher reads what it passes on from its file, once for each that gets it, as peers do that serve
 * requests; otherwise it passes on the memory that was hashed.
 * Prints `ready` once it listens, and `cpu SECONDS` of the whole process when it has everything and has
 * passed on all there was; ends by a signal.
 * Imports nothing but Node.js and is one file, also for its second thread: it is run as plain JavaScript, so
 * that its start is the least there is.
 */
import { hash } from 'node:crypto'
import { openSync, read, write } from 'node:fs'
import net from 'node:net'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const PIECE_BYTES = 1024 * 1024
/** Gathered, hashed, written or passed on at the same time, at most. */
const SLOTS = 64
/** With more than this nothing is taken from the source, so that there is room for what others send. */
const SLOTS_OF_SOURCE_MAX = 32
const READ_BYTES = PIECE_BYTES / 2
const RETRY_MS = 5

interface Stream {
  readonly socket: net.Socket
  /** The piece that arrives now, where, and how much of it is there. */
  piece: number
  slot: number
  filled: number
}

if (isMainThread) main()
else hashPieces(workerData as SharedArrayBuffer)

/** The second thread: gets numbers of slots, and sends them back with the hash. */
function hashPieces(memory: SharedArrayBuffer): void {
  parentPort!.on('message', (slot: number) => {
    const sha1 = hash('sha1', new Uint8Array(memory, slot * PIECE_BYTES, PIECE_BYTES), 'buffer')
    parentPort!.postMessage([slot, sha1])
  })
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one process, to be read from top to bottom
function main(): void {
  const [index, portList, file, total, mode] = process.argv.slice(2)
  const self = Number(index)
  const ports = portList!.split(',').map(Number)
  const leecherCount = ports.length - 1
  const pieceCount = Number(total) / PIECE_BYTES
  const readsBack = self === 0 || mode === 'read-back'
  const fd = openSync(file!, self === 0 ? 'r' : 'w+')
  const server = net.createServer({ noDelay: true, pauseOnConnect: true })
  /** By index of the process at the other end. */
  const others = new Map<number, net.Socket>()
  /** What is under way to each, one thing after the other. */
  const sending = new Map<number, Promise<void>>()
  /** Kept for the next read. */
  const frames: Buffer[] = []
  let passedCount = 0
  let isDone = false

  const memory = new SharedArrayBuffer(self === 0 ? 0 : SLOTS * PIECE_BYTES)
  const slots = Array.from({ length: SLOTS }, (_, slot) =>
    self === 0 ? Buffer.alloc(0) : Buffer.from(memory, slot * PIECE_BYTES, PIECE_BYTES),
  )
  const free = slots.map((_, slot) => slot).reverse()
  const pieceOf = new Array<number>(SLOTS).fill(0)
  const usersOf = new Array<number>(SLOTS).fill(0)
  const readBuffer = Buffer.alloc(256 * 1024)
  const waiting = new Set<Stream>()
  const toWrite: number[] = []
  /** Slots of pieces that are written and wait for one before them: what comes is told apart by its order. */
  const toPass = new Map<number, number>()
  let nextToPass = self - 1
  let writingCount = 0
  let writtenCount = 0
  let ofSourceCount = 0

  const hasher = self === 0 ? undefined : new Worker(new URL(import.meta.url), { workerData: memory })
  hasher?.on('message', ([slot]: [number]) => {
    toWrite.push(slot)
    writeNext()
  })

  server.on('connection', (accepted) => {
    const holder = accepted as unknown as { _handle: object | null }
    const handle = holder._handle
    holder._handle = null
    let stream: Stream | undefined
    const onread = {
      buffer: readBuffer,
      callback: (length: number) => {
        if (stream !== undefined) return take(stream, 0, length)
        const from = readBuffer[0]!
        others.set(from, socket)
        stream = { socket, piece: from - 1, slot: -1, filled: 0 }
        if (self === 0) sendAllOf(from)
        else dialSourceIfMet()
        return length === 1 || take(stream, 1, length)
      },
    }
    const socket = new net.Socket({ handle, onread } as unknown as net.SocketConstructorOpts)
    socket.setNoDelay(true)
    socket.resume()
  })
  server.listen(ports[self], '127.0.0.1', () => {
    console.log('ready')
    for (let other = 1; other < self; other++) dial(other)
    dialSourceIfMet()
  })

  function dial(other: number): void {
    const stream: Stream = { socket: undefined!, piece: (other || self) - 1, slot: -1, filled: 0 }
    const onread = { buffer: readBuffer, callback: (length: number) => take(stream, 0, length) }
    const socket = net.connect({ port: ports[other]!, host: '127.0.0.1', noDelay: true, onread })
    Object.assign(stream, { socket })
    socket.on('error', () => setTimeout(dial, RETRY_MS, other))
    socket.on('connect', () => {
      others.set(other, socket)
      socket.write(Uint8Array.of(self))
      if (other > 0) dialSourceIfMet()
    })
  }

  /** Only who is connected with all other leechers can pass on what comes. */
  function dialSourceIfMet(): void {
    if (self > 0 && others.size === leecherCount - 1) dial(0)
  }

  /** False to be given no more for now. */
  function take(stream: Stream, from: number, length: number): boolean {
    for (let at = from; at < length; ) {
      if (stream.slot < 0) stream.slot = free.pop()!
      const count = Math.min(length - at, PIECE_BYTES - stream.filled)
      readBuffer.copy(slots[stream.slot]!, stream.filled, at, at + count)
      at += count
      stream.filled += count
      if (stream.filled < PIECE_BYTES) continue
      pieceOf[stream.slot] = stream.piece
      if (isOfSource(stream.piece)) ofSourceCount++
      hasher!.postMessage(stream.slot)
      stream.piece += leecherCount
      stream.slot = -1
      stream.filled = 0
    }
    if (hasRoomFor(stream)) return true
    waiting.add(stream)
    return false
  }

  function isOfSource(piece: number): boolean {
    return piece % leecherCount === self - 1
  }

  function hasRoomFor({ piece }: Stream): boolean {
    return free.length > ports.length && (!isOfSource(piece) || ofSourceCount < SLOTS_OF_SOURCE_MAX)
  }

  function release(slot: number): void {
    if (--usersOf[slot]! > 0) return
    if (isOfSource(pieceOf[slot]!)) ofSourceCount--
    free.push(slot)
    for (const stream of waiting) {
      if (!hasRoomFor(stream)) continue
      waiting.delete(stream)
      stream.socket.resume()
    }
    endIfDone()
  }

  /** Two at a time, as there are to one file in `file-store.ts`. */
  function writeNext(): void {
    if (writingCount === 2 || toWrite.length === 0) return
    const slot = toWrite.shift()!
    const piece = pieceOf[slot]!
    writingCount++
    usersOf[slot] = 1
    write(fd, slots[slot]!, 0, PIECE_BYTES, piece * PIECE_BYTES, (error) => {
      if (error) throw error
      writingCount--
      writtenCount++
      if (isOfSource(piece)) passOnInOrder(slot, piece)
      else release(slot)
      writeNext()
    })
  }

  function passOnInOrder(written: number, piece: number): void {
    toPass.set(piece, written)
    for (let slot = toPass.get(nextToPass); slot !== undefined; slot = toPass.get(nextToPass)) {
      toPass.delete(nextToPass)
      passOn(slot, nextToPass)
      release(slot)
      nextToPass += leecherCount
    }
  }

  function passOn(slot: number, piece: number): void {
    for (let other = 1; other <= leecherCount; other++) {
      if (other === self) continue
      if (readsBack) {
        sendLater(other, piece)
        continue
      }
      usersOf[slot]!++
      others.get(other)!.write(slots[slot]!, () => {
        passedCount++
        release(slot)
      })
    }
  }

  /** The source: everything that is this leecher's to pass on. */
  function sendAllOf(leecher: number): void {
    for (let piece = leecher - 1; piece < pieceCount; piece += leecherCount) sendLater(leecher, piece)
  }

  /** One read or write at a time for each that gets something. */
  function sendLater(other: number, piece: number): void {
    const before = sending.get(other) ?? Promise.resolve()
    sending.set(
      other,
      before.then(() => sendFromFile(other, piece)),
    )
  }

  async function sendFromFile(other: number, piece: number): Promise<void> {
    for (let at = 0; at < PIECE_BYTES; at += READ_BYTES) {
      const bytes = frames.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES)
      await new Promise((resolve) => read(fd, bytes, 0, READ_BYTES, piece * PIECE_BYTES + at, resolve))
      await new Promise<void>((resolve) => others.get(other)!.write(bytes, () => resolve()))
      frames.push(bytes)
    }
    passedCount++
    endIfDone()
  }

  function endIfDone(): void {
    if (self === 0 || isDone || writtenCount < pieceCount) return
    const ownCount = Math.ceil((pieceCount - (self - 1)) / leecherCount)
    if (passedCount < ownCount * (leecherCount - 1)) return
    isDone = true
    const { user, system } = process.cpuUsage()
    console.log(`cpu ${(user + system) / 1e6}`)
  }
}
