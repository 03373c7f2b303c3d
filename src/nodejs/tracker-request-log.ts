/** Every request to a tracker as one event for its log: who, what, how it ended, how long it took. */
import type http from 'node:http'
import { formatAddress, formatEndpoint } from '../wire/endpoint.ts'

export interface AnsweredRequest {
  readonly event: 'request'
  readonly transport: 'http' | 'udp'
  /** Of whoever sent it, as text. */
  readonly address: string
  /** HTTP: `GET`; UDP: what the packet asks for. */
  readonly method: string
  /** With its query; HTTP only. */
  readonly path?: string
  /** HTTP only. */
  readonly status?: number
  /** Of the answer over UDP; 0 for none. */
  readonly bytes?: number
  readonly milliseconds: number
}

type AnswerPacket = (packet: Uint8Array, address: Uint8Array, port: number) => Uint8Array | undefined
type Tell = (request: AnsweredRequest) => void

/** Longer ones are cut. */
const PATH_CHARACTERS_MAX = 1024
/** BEP 15. */
const UDP_ACTIONS = ['connect', 'announce', 'scrape']

export function watchRequest(request: http.IncomingMessage, response: http.ServerResponse, tell: Tell): void {
  const startedAt = performance.now()
  const { method = '', url = '', socket } = request
  const address = formatEndpoint({ host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 })
  response.once('close', () =>
    tell({
      event: 'request',
      transport: 'http',
      address,
      method,
      path: url.slice(0, PATH_CHARACTERS_MAX),
      status: response.statusCode,
      milliseconds: since(startedAt),
    }),
  )
}

export function watchedPackets(answer: AnswerPacket, tell: Tell): AnswerPacket {
  return (packet, address, port) => {
    const startedAt = performance.now()
    const reply = answer(packet, address, port)
    tell({
      event: 'request',
      transport: 'udp',
      address: formatEndpoint({ host: formatAddress(address), port }),
      method: (packet.length >= 12 && UDP_ACTIONS[packet[11]!]) || 'unknown',
      bytes: reply?.length ?? 0,
      milliseconds: since(startedAt),
    })
    return reply
  }
}

function since(startedAt: number): number {
  return Math.round((performance.now() - startedAt) * 1000) / 1000
}
