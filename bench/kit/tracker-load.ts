/**
 * Those who announce in `bench/tracker.ts`: sockets that keep so many announces open, over UDP and over HTTP.
 */
import { createSocket, type Socket } from 'node:dgram'
import { connect } from 'node:net'
import { percentEncode } from '../../src/base/text.ts'
import type { AnnounceRequest } from '../../src/wire/tracker-announce.ts'
import { encodeUdpAnnounce, encodeUdpConnect } from '../../src/wire/tracker-udp.ts'
import { until } from './waiting.ts'

const HOST = '127.0.0.1'
const CONNECT_MS = 5000
/** An announce over UDP that has no answer by then was lost; another takes its place. */
const LOST_MS = 500
const ANNOUNCE_ACTION = 1
const CONNECT_REPLY_LENGTH = 16

/** Where announces come from, and whether another one is wanted after an answer. */
export interface AnnounceLoad {
  next(): AnnounceRequest
  answered(): boolean
}

export class UdpAnnouncer {
  readonly #socket: Socket
  readonly #port: number
  #connectionId: Uint8Array | undefined
  #onAnswer: (() => void) | undefined

  /** @param port of the tracker */
  constructor(port: number) {
    this.#port = port
    const lookup = (address: string, _: unknown, callback: (...result: [null, string, number]) => void) =>
      callback(null, address, 4)
    this.#socket = createSocket({ type: 'udp4', lookup, recvBufferSize: 4 << 20 })
    this.#socket.on('message', (packet) => {
      if (packet.length === CONNECT_REPLY_LENGTH) this.#connectionId = packet.subarray(8)
      else if (packet.readUInt32BE(0) === ANNOUNCE_ACTION) this.#onAnswer?.()
    })
  }

  /** Valid for two minutes. */
  async connect(): Promise<void> {
    this.#connectionId = undefined
    this.#socket.send(encodeUdpConnect(1), this.#port, HOST)
    await until('connection id', CONNECT_MS, () => this.#connectionId !== undefined)
  }

  /** Keeps `open` announces open until no more are wanted. */
  run(open: number, load: AnnounceLoad): Promise<void> {
    return new Promise((resolve) => {
      let answeredAt = performance.now()
      const ask = () =>
        this.#socket.send(encodeUdpAnnounce(this.#connectionId!, 1, load.next()), this.#port, HOST)
      const watch = setInterval(() => {
        if (performance.now() - answeredAt > LOST_MS) for (let i = 0; i < open; i++) ask()
      }, LOST_MS)
      this.#onAnswer = () => {
        answeredAt = performance.now()
        if (load.answered()) return ask()
        clearInterval(watch)
        this.#onAnswer = undefined
        resolve()
      }
      for (let i = 0; i < open; i++) ask()
    })
  }

  close(): void {
    this.#socket.close()
  }
}

/** One announce after the other on one connection, until no more are wanted. */
export function announceOverHttp(port: number, load: AnnounceLoad): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: HOST, port, noDelay: true })
    let missing = 0
    const ask = () => {
      missing = 0
      socket.write(httpAnnounce(load.next()), 'latin1')
    }
    socket.once('connect', ask)
    socket.on('error', reject)
    socket.on('data', (part) => {
      if (missing === 0) missing = replyLength(part)
      missing -= part.length
      if (missing > 0) return
      if (load.answered()) return ask()
      socket.destroy()
      resolve()
    })
  })
}

/** The whole request, on a connection that stays open. */
export function httpAnnounce({ infoHash, peerId, port, left }: AnnounceRequest): string {
  const ids = `info_hash=${percentEncode(infoHash)}&peer_id=${percentEncode(peerId)}`
  const query = `${ids}&port=${port}&uploaded=0&downloaded=0&left=${left}&compact=1`
  return `GET /announce?${query} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`
}

/** Head and body; the head is in the first part. */
export function replyLength(part: Buffer): number {
  const head = part.indexOf('\r\n\r\n') + 4
  const length = /\r\ncontent-length: (\d+)/i.exec(part.toString('latin1', 0, head))
  if (head < 4 || length === null) throw new Error('no reply of HTTP with a length')
  return head + Number(length[1])
}
