/**
 * Announces at a rate that somebody else sets, as a swarm does, whether the tracker keeps up or not: each is
 * due at its own time, and what it waits from then on is its latency, in the queue of this side too.
 */
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import type { AnnounceRequest } from '../../src/wire/tracker-announce.ts'
import { encodeUdpAnnounce, encodeUdpConnect } from '../../src/wire/tracker-udp.ts'
import { httpAnnounce, replyLength } from './tracker-load.ts'
import { until } from './waiting.ts'

const HOST = '127.0.0.1'
const CONNECT_MS = 5000
const CONNECT_REPLY_LENGTH = 16
/** Answers that come later than this after the last request are lost. */
const LAST_ANSWER_MS = 1000

export interface Pace {
  readonly perSecond: number
  readonly seconds: number
  next(): AnnounceRequest
}

/** Milliseconds, one for each answer. */
export type Latencies = number[]

/** @param port of the tracker */
export async function latenciesOverUdp(port: number, pace: Pace): Promise<Latencies> {
  const latencies: Latencies = []
  const dueAt = new Map<number, number>()
  let connectionId: Uint8Array | undefined
  const lookup = (address: string, _: unknown, callback: (...result: [null, string, number]) => void) =>
    callback(null, address, 4)
  const socket = createSocket({ type: 'udp4', lookup, recvBufferSize: 4 << 20 })
  socket.on('message', (packet) => {
    if (packet.length === CONNECT_REPLY_LENGTH) connectionId = packet.subarray(8)
    const due = dueAt.get(packet.readUInt32BE(4))
    if (due === undefined) return
    latencies.push(performance.now() - due)
    dueAt.delete(packet.readUInt32BE(4))
  })
  socket.send(encodeUdpConnect(0), port, HOST)
  await until('connection id', CONNECT_MS, () => connectionId !== undefined)
  await keepPace(pace, (number, due) => {
    dueAt.set(number, due)
    socket.send(encodeUdpAnnounce(connectionId!, number, pace.next()), port, HOST)
  })
  socket.close()
  return latencies
}

/** On so many connections that stay open; a request waits while all have one under way. */
export async function latenciesOverHttp(port: number, connections: number, pace: Pace): Promise<Latencies> {
  const latencies: Latencies = []
  const waiting: number[] = []
  const idle: (() => void)[] = []
  const sockets = Array.from({ length: connections }, () => {
    const socket = connect({ host: HOST, port, noDelay: true })
    let due = 0
    let missing = 0
    const ask = () => {
      due = waiting.shift()!
      missing = 0
      socket.write(httpAnnounce(pace.next()), 'latin1')
    }
    socket.on('data', (part) => {
      if (missing === 0) missing = replyLength(part)
      missing -= part.length
      if (missing > 0) return
      latencies.push(performance.now() - due)
      if (waiting.length > 0) ask()
      else idle.push(ask)
    })
    socket.once('connect', () => idle.push(ask))
    return socket
  })
  await until('connections', CONNECT_MS, () => idle.length === connections)
  await keepPace(pace, (_number, due) => {
    waiting.push(due)
    idle.pop()?.()
  })
  for (const socket of sockets) socket.destroy()
  return latencies
}

async function keepPace(pace: Pace, send: (number: number, due: number) => void): Promise<void> {
  const startedAt = performance.now()
  const count = Math.round(pace.perSecond * pace.seconds)
  for (let sent = 0; sent < count; ) {
    const due = Math.min(count, Math.floor(((performance.now() - startedAt) / 1000) * pace.perSecond))
    for (; sent < due; sent++) send(sent + 1, startedAt + (sent / pace.perSecond) * 1000)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await new Promise((resolve) => setTimeout(resolve, LAST_ANSWER_MS))
}
