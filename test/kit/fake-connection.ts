/**
 * One connection of a fake peer: frames in, frames out, and the record of both. It keeps the little state the
 * protocol has (choked, interested, what the other side has, which of its requests are open) and otherwise
 * does what its peer's options say. BEP 3, 6, 9, 10.
 */
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { bdecode, bdecodePrefix, bencode } from './bencode.ts'
import type { BlockRequest, FakePeer } from './fake-peer.ts'
import { Recording, within } from './waiting.ts'

const TYPES = [
  ...['choke', 'unchoke', 'interested', 'not-interested', 'have', 'bitfield', 'request', 'piece', 'cancel'],
  ...Array.from({ length: 4 }, (_, i) => (i === 0 ? 'port' : `unknown-${9 + i}`)),
  ...['suggest', 'have-all', 'have-none', 'reject', 'allowed-fast', 'unknown-18', 'unknown-19', 'extended'],
  ...['hash-request', 'hashes', 'hash-reject'],
]
const ID = new Map(TYPES.map((type, id) => [type, id]))
const PROTOCOL = Buffer.from('\x13BitTorrent protocol', 'latin1')
const BLOCK = 16384
/** Under which a fake peer wants peer exchange. */
const PEX_ID = 4

export interface Message {
  at: number
  type: string
  id: number
  payload: Buffer
}
export interface Handshake {
  at: number
  bytes: Buffer
  reserved: Buffer
  infoHash: Buffer
  peerId: Buffer
}

export class FakeConnection {
  readonly messages = new Recording<Message>()
  readonly requests: (BlockRequest & { at: number })[] = []
  /** Requests of the other side that are neither answered nor cancelled. */
  readonly outstanding = new Map<string, BlockRequest>()
  /** What the other side says it has. */
  readonly theirs = new Set<number>()
  readonly openedAt = performance.now()
  theyChoke = true
  theyAreInterested = false
  iChoke = true
  /** How the other side ended the connection, once it has. */
  ending: 'fin' | 'reset' | undefined
  endedAt: number | undefined
  bytesReceived = 0
  readonly #peer: FakePeer
  readonly #socket: Socket
  readonly #infoHash: Buffer
  readonly #handshakes = new Recording<Handshake>()
  #received: Buffer[] = []
  #receivedBytes = 0
  #writing: Promise<void> = Promise.resolve()
  #sentHandshake = false
  #metadataId = 0

  constructor(peer: FakePeer, socket: Socket, dialled: boolean, infoHash: Buffer) {
    this.#peer = peer
    this.#socket = socket
    this.#infoHash = infoHash
    socket.setNoDelay(true)
    socket.on('data', (data) => this.#take(data))
    socket.on('end', () => this.#ended('fin'))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') this.#ended('reset')
    })
    socket.on('close', () => {
      this.messages.end('the connection is closed')
      this.#handshakes.end('the connection is closed')
    })
    if (dialled) this.#greet()
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.ending === undefined
  }

  get remotePort(): number {
    return this.#socket.remotePort ?? 0
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? ''
  }

  handshake(timeoutMs?: number): Promise<Handshake> {
    return this.#handshakes.first('handshake', () => true, timeoutMs)
  }

  get hasHandshake(): boolean {
    return this.#handshakes.items.length > 0
  }

  /** The first message of this type, past or future; `from` skips that many messages of the record. */
  message(type: string, timeoutMs?: number, from?: number): Promise<Message> {
    return this.messages.first(type, (message) => message.type === type, timeoutMs, from)
  }

  count(type: string): number {
    return this.messages.items.filter((message) => message.type === type).length
  }

  /** Waits for the other side to end the connection, and says how. */
  async ended(timeoutMs?: number): Promise<'fin' | 'reset'> {
    const closed = new Promise<void>((resolve) => {
      if (this.ending) resolve()
      this.#socket.once('end', resolve)
      this.#socket.once('close', () => resolve())
    })
    await within('end of the connection', closed, timeoutMs)
    return this.ending ?? 'reset'
  }

  /** One message by name, or by number for those that have none. */
  send(type: string | number, ...payload: Uint8Array[]): void {
    const id = typeof type === 'number' ? type : (ID.get(type) as number)
    const body = Buffer.concat([Buffer.from([id]), ...payload])
    this.write(Buffer.concat([uint32(body.length), body]))
  }

  /** Raw bytes, in order behind everything sent before, fragmented as the peer's options say. */
  write(bytes: Buffer): void {
    const part = this.#peer.options.fragmentBytes
    this.#writing = this.#writing.then(async () => {
      if (part === undefined) return void (this.#socket.writable && this.#socket.write(bytes))
      for (let at = 0; at < bytes.length && this.#socket.writable; at += part) {
        this.#socket.write(bytes.subarray(at, at + part))
        // let the bytes leave before the next, so that the reader really sees them in parts
        if (at % (part * 64) === 0) await new Promise((resolve) => setImmediate(resolve))
      }
    })
  }

  have(index: number): void {
    this.send('have', uint32(index))
  }

  unchoke(): void {
    this.iChoke = false
    this.send('unchoke')
  }

  choke(): void {
    this.iChoke = true
    if (!this.#fast) this.outstanding.clear()
    this.send('choke')
  }

  interested(): void {
    this.send('interested')
  }

  request(request: BlockRequest): void {
    this.send('request', uint32(request.index), uint32(request.begin), uint32(request.length))
  }

  sendBlock(request: BlockRequest, block: Buffer): void {
    this.outstanding.delete(key(request))
    this.#peer.servedBytes += block.length
    const { index } = request
    this.#peer.servedPieces.set(index, (this.#peer.servedPieces.get(index) ?? 0) + block.length)
    this.send('piece', uint32(index), uint32(request.begin), block)
  }

  /** Whether this request still waits for its answer. */
  wants(request: BlockRequest): boolean {
    return this.isOpen && this.outstanding.has(key(request))
  }

  /** Ends our side after everything sent has left. */
  end(): void {
    this.#writing = this.#writing.then(() => void this.#socket.end())
  }

  destroy(): void {
    this.#socket.destroy()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Becomes interested and waits to be unchoked. */
  async unchoked(timeoutMs?: number): Promise<void> {
    this.interested()
    if (this.theyChoke) await this.message('unchoke', timeoutMs)
  }

  /** Downloads one whole piece, block by block in parallel, and checks it against the torrent. */
  async downloadPiece(index: number, timeoutMs?: number): Promise<Buffer> {
    if (this.theyChoke) await this.unchoked(timeoutMs)
    const truth = this.#peer.torrent.piece(index)
    const parts: Buffer[] = []
    const from = this.messages.items.length
    for (let begin = 0; begin < truth.length; begin += BLOCK)
      this.request({ index, begin, length: Math.min(BLOCK, truth.length - begin) })
    for (let begin = 0; begin < truth.length; begin += BLOCK) {
      const matches = ({ type, payload }: Message) =>
        (type === 'piece' || type === 'reject') &&
        payload.readUInt32BE(0) === index &&
        payload.readUInt32BE(4) === begin
      const message = await this.messages.first(`block ${begin} of piece ${index}`, matches, timeoutMs, from)
      if (message.type === 'reject') throw new Error(`piece ${index} was rejected`)
      parts.push(message.payload.subarray(8))
    }
    const piece = Buffer.concat(parts)
    if (sha1(piece) !== sha1(truth)) throw new Error(`piece ${index} has wrong bytes`)
    return piece
  }

  /** Waits until the other side has said, in whatever form, that it has this piece. */
  async learns(index: number, timeoutMs?: number): Promise<void> {
    await this.messages.first(`have ${index}`, () => this.theirs.has(index), timeoutMs)
  }

  /** Downloads everything, each piece as soon as the other side has it. */
  async downloadAll(timeoutMs?: number): Promise<void> {
    const missing = new Set(Array.from({ length: this.#peer.torrent.pieceCount }, (_, index) => index))
    while (missing.size > 0) {
      const available = () => [...missing].find((index) => this.theirs.has(index))
      await this.messages.first('piece that is missing', () => available() !== undefined, timeoutMs)
      const index = available() as number
      await this.downloadPiece(index, timeoutMs)
      missing.delete(index)
    }
  }

  get #fast(): boolean {
    return this.#peer.options.announces === 'fast'
  }

  #ended(how: 'fin' | 'reset'): void {
    this.ending ??= how
    this.endedAt ??= performance.now()
    this.messages.end(`the other side closed the connection (${how})`)
    this.#handshakes.end(`the other side closed the connection (${how})`)
    this.outstanding.clear()
    if (how === 'fin') this.end()
  }

  #greet(): void {
    if (this.#sentHandshake || this.#peer.options.silent) return
    this.#sentHandshake = true
    const reserved = Buffer.alloc(8)
    if (this.#peer.options.extended !== false) reserved[5] = 0x10
    if (this.#fast) reserved[7] = 0x04
    if (this.#peer.options.supportsV2) reserved[7] = (reserved[7] as number) | 0x10
    this.write(Buffer.concat([PROTOCOL, reserved, this.#infoHash, this.#peer.peerId]))
  }

  #take(data: Buffer): void {
    this.bytesReceived += data.length
    this.#received.push(data)
    this.#receivedBytes += data.length
    if (!this.hasHandshake) {
      // an encrypted greeting (MSE) is refused at once, as plain peers do; the dialler
      // then tries in plain text
      if ((this.#received[0] as Buffer)[0] !== PROTOCOL[0]) return this.destroy()
      if (this.#receivedBytes < 68) return
      this.#handshake(this.#shift(68))
    }
    for (let length = this.#frameLength(); length !== undefined; length = this.#frameLength())
      this.#frame(this.#shift(4 + length).subarray(4))
  }

  #frameLength(): number | undefined {
    if (this.#receivedBytes < 4) return undefined
    if ((this.#received[0] as Buffer).length < 4) this.#received = [Buffer.concat(this.#received)]
    const length = (this.#received[0] as Buffer).readUInt32BE(0)
    return this.#receivedBytes >= 4 + length ? length : undefined
  }

  #shift(length: number): Buffer {
    const all = this.#received.length === 1 ? (this.#received[0] as Buffer) : Buffer.concat(this.#received)
    this.#received = all.length > length ? [all.subarray(length)] : []
    this.#receivedBytes -= length
    return all.subarray(0, length)
  }

  #handshake(bytes: Buffer): void {
    const [reserved, infoHash, peerId] = [bytes.subarray(20, 28), bytes.subarray(28, 48), bytes.subarray(48)]
    this.#handshakes.push({ at: performance.now(), bytes, reserved, infoHash, peerId })
    this.#greet()
    if (this.#peer.options.silent) return
    if (this.#peer.options.extended !== false && ((reserved[5] as number) & 0x10) !== 0) {
      const pex = this.#peer.options.knows === undefined ? {} : { ut_pex: PEX_ID }
      const hello = {
        m: { ut_metadata: 3, ...pex },
        metadata_size: this.#peer.torrent.infoBytes.length,
        v: 'FP',
      }
      this.send('extended', Buffer.from([0]), bencode(hello))
    }
    const { torrent, has } = this.#peer
    const announces = this.#peer.options.announces ?? 'bitfield'
    if (announces === 'nothing') return
    if (announces === 'fast' && ((reserved[7] as number) & 0x04) !== 0) {
      if (has.size === 0) return this.send('have-none')
      if (has.size === torrent.pieceCount) return this.send('have-all')
    }
    if (has.size > 0) this.send('bitfield', bitfield(has, torrent.pieceCount))
  }

  #frame(body: Buffer): void {
    const at = performance.now()
    if (body.length === 0) return this.messages.push({ at, type: 'keep-alive', id: -1, payload: body })
    const id = body[0] as number
    const payload = body.subarray(1)
    this.#react(TYPES[id] ?? `unknown-${id}`, payload, at)
    this.messages.push({ at, type: TYPES[id] ?? `unknown-${id}`, id, payload })
  }

  #react(type: string, payload: Buffer, at: number): void {
    const { pieceCount } = this.#peer.torrent
    if (type === 'choke') this.theyChoke = true
    else if (type === 'unchoke') this.theyChoke = false
    else if (type === 'not-interested') this.theyAreInterested = false
    else if (type === 'interested') {
      this.theyAreInterested = true
      if (this.iChoke && this.#peer.options.unchokes !== false) this.unchoke()
    } else if (type === 'have') this.theirs.add(payload.readUInt32BE(0))
    else if (type === 'have-all') for (let i = 0; i < pieceCount; i++) this.theirs.add(i)
    else if (type === 'bitfield') {
      for (let i = 0; i < pieceCount; i++) if (bitAt(payload, i)) this.theirs.add(i)
    } else if (type === 'cancel') this.outstanding.delete(key(blockRequest(payload)))
    else if (type === 'request') this.#requested({ ...blockRequest(payload), at })
    else if (type === 'extended') this.#extended(payload)
    // it keeps no hashes, and says so (BEP 52)
    else if (type === 'hash-request') this.send('hash-reject', payload)
  }

  #requested(request: BlockRequest & { at: number }): void {
    this.requests.push(request)
    this.outstanding.set(key(request), request)
    if (this.#peer.options.onRequest?.(this, request) || this.#peer.options.answers === false) return
    if (this.iChoke) return
    if (!this.#peer.has.has(request.index)) {
      if (this.#fast)
        this.send('reject', uint32(request.index), uint32(request.begin), uint32(request.length))
      return
    }
    this.#peer.serve(this, request)
  }

  /** BEP 11, at once; `id` is theirs. */
  #tellPeers(id: number): void {
    const { knows } = this.#peer.options
    if (id === 0 || !knows) return
    const added = compact(knows)
    this.send('extended', Buffer.from([id]), bencode({ added, 'added.f': Buffer.alloc(knows.length) }))
  }

  /** The compact addresses of every peer the other side told by peer exchange, as text. */
  get toldPeers(): string[] {
    return this.messages.items
      .filter(({ type, payload }) => type === 'extended' && payload[0] === PEX_ID)
      .flatMap(({ payload }) => {
        const message = bdecode(payload.subarray(1))
        const added = message instanceof Map ? message.get('added') : undefined
        if (!Buffer.isBuffer(added)) return []
        return Array.from({ length: added.length / 6 }, (_, i) => {
          const entry = added.subarray(6 * i, 6 * i + 6)
          return `${entry.subarray(0, 4).join('.')}:${entry.readUInt16BE(4)}`
        })
      })
  }

  #extended(payload: Buffer): void {
    if (payload[0] === 0) {
      const hello = bdecode(payload.subarray(1))
      const ids = hello instanceof Map ? hello.get('m') : undefined
      if (ids instanceof Map) this.#metadataId = Number(ids.get('ut_metadata') ?? 0)
      if (ids instanceof Map) this.#tellPeers(Number(ids.get('ut_pex') ?? 0))
      return
    }
    if (payload[0] !== 3 || this.#metadataId === 0) return
    const { value } = bdecodePrefix(payload.subarray(1))
    if (value.get('msg_type') !== 0) return
    const part = Number(value.get('piece'))
    const info = this.#peer.torrent.infoBytes
    const truth = info.subarray(part * BLOCK, (part + 1) * BLOCK)
    const bytes = this.#peer.options.metadataPart?.(part, truth) ?? truth
    const head = bencode({ msg_type: 1, piece: part, total_size: info.length })
    this.send('extended', Buffer.from([this.#metadataId]), head, bytes)
  }
}

/** 6 bytes for each (IPv4). */
function compact(peers: readonly { host: string; port: number }[]): Buffer {
  return Buffer.concat(
    peers.map(({ host, port }) => Buffer.from([...host.split('.').map(Number), port >> 8, port & 0xff])),
  )
}

function key({ index, begin, length }: BlockRequest): string {
  return `${index}/${begin}/${length}`
}

function blockRequest(payload: Buffer): BlockRequest {
  return { index: payload.readUInt32BE(0), begin: payload.readUInt32BE(4), length: payload.readUInt32BE(8) }
}

function bitAt(bits: Buffer, index: number): boolean {
  return (((bits[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) === 1
}

export function bitfield(has: Iterable<number>, count: number): Buffer {
  const bits = Buffer.alloc(Math.ceil(count / 8))
  for (const index of has) bits[index >> 3] = (bits[index >> 3] as number) | (0x80 >> (index & 7))
  return bits
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

function sha1(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex')
}
