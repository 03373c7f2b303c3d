/** What a tracker was asked, for its access log: one line for each request, over HTTP and over UDP. */
import type http from 'node:http'
import { readUint32 } from '../base/bytes.ts'
import { formatAddress } from '../wire/endpoint.ts'

/** One line of an access log; never a query, which may hold a passkey (S26). */
export interface ServedRequest {
  /** Of HTTP, or `UDP`. */
  readonly method: string
  /** Without its query; over UDP the action. */
  readonly path: string
  /** Of HTTP; null over UDP. */
  readonly status: number | null
  readonly address: string
  readonly seconds: number
}

/** Calls back when the answer has gone out, or its asker has. */
export function watchRequest(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  onRequest: (request: ServedRequest) => void,
): void {
  const startedAt = performance.now()
  const address = request.socket.remoteAddress ?? ''
  const { method = '', url = '' } = request
  response.once('close', () =>
    onRequest({
      method,
      path: url.split('?', 1)[0]!,
      status: response.statusCode,
      address,
      seconds: (performance.now() - startedAt) / 1000,
    }),
  )
}

/** A request has a connection id of 8 bytes, an action of 4, and more (BEP 15). */
const ACTION_AT = 8
const HEAD_LENGTH = 16
/** By number. */
const UDP_ACTIONS = ['connect', 'announce', 'scrape']

export function servedDatagram(packet: Uint8Array, address: Uint8Array): ServedRequest {
  const path = UDP_ACTIONS[packet.length < HEAD_LENGTH ? -1 : readUint32(packet, ACTION_AT)] ?? 'unknown'
  return { method: 'UDP', path, status: null, address: formatAddress(address), seconds: 0 }
}
