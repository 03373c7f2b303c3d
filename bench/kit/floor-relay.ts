/**
 * What any peer on Node.js has to do for the bytes alone: reads them from a connection into one buffer,
 * gathers pieces of 1 MiB in shared memory, has them hashed on a second thread, writes them, and passes them
 * on to the next. No protocol, no choice, no reading back: less is hardly possible.
 *
 *   node floor-relay.ts PORT NEXT_PORT FILE BYTES      NEXT_PORT 0 = the last one
 *
 * Prints `listening`, and at the end its CPU seconds since the first byte.
 */
import { closeSync, openSync, write } from 'node:fs'
import net from 'node:net'
import { SHARED_MEMORY } from '../../src/nodejs/shared-memory.ts'
import { ThreadVerifier } from '../../src/nodejs/thread-verifier.ts'
import { MIB } from './content.ts'

/** Pieces between socket and disk; with more of them reading pauses. */
const PIECES_MAX = 16

const [port, nextPort, file, total] = process.argv.slice(2)
const bytesTotal = Number(total)
const fd = openSync(file!, 'w')
const verifier = new ThreadVerifier()
verifier.start()
let next: net.Socket | undefined
let before = process.cpuUsage()
const free: Uint8Array[] = []
const toWrite: { piece: Uint8Array; at: number }[] = []
let isWriting = false
let pieceCount = 0
let piece = SHARED_MEMORY.allocate(MIB)
let filled = 0
let received = 0
let written = 0

const readBuffer = new Uint8Array(256 * 1024)
const server = net.createServer({ noDelay: true, pauseOnConnect: true }, (accepted) => {
  server.close()
  before = process.cpuUsage()
  if (nextPort !== '0') next = net.connect({ port: Number(nextPort), host: '127.0.0.1' })
  const holder = accepted as unknown as { _handle: object | null }
  const options = { handle: holder._handle, onread: { buffer: readBuffer, callback: take } }
  const socket = new net.Socket(options as unknown as net.SocketConstructorOpts)
  holder._handle = null
  socket.resume()

  function take(length: number): boolean {
    for (let at = 0; at < length; ) {
      const count = Math.min(length - at, MIB - filled)
      SHARED_MEMORY.copy(readBuffer, at, at + count, piece, filled)
      at += count
      filled += count
      if (filled < MIB) continue
      finish(piece, received, () => socket.resume())
      received += MIB
      filled = 0
      piece = free.pop() ?? SHARED_MEMORY.allocate(MIB)
    }
    return pieceCount < PIECES_MAX
  }
})
server.listen(Number(port), '127.0.0.1', () => console.log('listening'))

function finish(full: Uint8Array, at: number, onRoom: () => void): void {
  pieceCount++
  verifier.digest(full, true, undefined, () => {
    toWrite.push({ piece: full, at })
    writeNext(onRoom)
  })
}

function writeNext(onRoom: () => void): void {
  const job = isWriting ? undefined : toWrite.shift()
  if (job === undefined) return
  isWriting = true
  write(fd, job.piece, 0, MIB, job.at, () => {
    isWriting = false
    written += MIB
    const release = () => {
      free.push(job.piece)
      if (--pieceCount < PIECES_MAX) onRoom()
      if (written === bytesTotal && pieceCount === 0) end()
    }
    if (next === undefined) release()
    else next.write(job.piece, release)
    writeNext(onRoom)
  })
}

function end(): void {
  closeSync(fd)
  const { user, system } = process.cpuUsage(before)
  console.log(`cpu ${(user + system) / 1e6}`)
  next?.end()
  process.exit(0)
}
