/**
 * The tracker's side of the UDP protocol: a packet in, its reply or silence out (BEP 15,
 * 41; S22 to S25, S28).
 * Nobody is believed to be where a packet says until it brings the connection id that was sent
 * there. Before that there is one reply, of 16 bytes to at least 16; everything else is met with silence,
 * so that the tracker cannot be turned on a third party, and costs one short hash. A source that asks too
 * often gets silence too, on which clients wait longer each time.
 * Invariants: no packet throws; a reply fits one frame of an Ethernet; options of BEP 41 are read over,
 * since this tracker has one path. Holds nothing between packets.
 */
import { ByteSlab } from '../base/byte-slab.ts'
import { readUint32 } from '../base/bytes.ts'
import type { Instant } from '../base/time.ts'
import {
  decodeUdpRequest,
  encodeUdpAnswer,
  encodeUdpConnected,
  encodeUdpError,
  encodeUdpScraped,
  isUdpConnect,
  UDP_REQUEST_LENGTH_MIN,
} from '../wire/tracker-udp.ts'
import type { AnnounceDesk } from './announce-desk.ts'
import type { AskerAddress } from './asker-address.ts'
import type { ConnectionIds } from './connection-ids.ts'
import type { SourceBudgets } from './source-budgets.ts'
import type { TrackerAnswer } from './tracker.ts'

export interface UdpTrackerParts {
  readonly connectionIds: ConnectionIds
  readonly budgets: SourceBudgets
  readonly askers: AskerAddress
  readonly desk: AnnounceDesk
}

/** Takes what goes back to where the packet came from. */
export type SendReply = (reply: Uint8Array) => void

export class UdpTracker {
  readonly #parts: UdpTrackerParts
  readonly #slab = new ByteSlab()
  readonly #allocate = (length: number) => this.#slab.take(length)

  constructor(parts: UdpTrackerParts) {
    this.#parts = parts
  }

  /**
   * @param address 4 or 16 bytes, where the packet came from; an IPv4-mapped one as 4
   * @param port where it came from
   * @param send called once, now or later, or never, which is silence
   */
  take(now: Instant, packet: Uint8Array, address: Uint8Array, port: number, send: SendReply): void {
    if (packet.length < UDP_REQUEST_LENGTH_MIN) return
    const { connectionIds } = this.#parts
    const transactionId = readUint32(packet, 12)
    if (isUdpConnect(packet))
      return send(encodeUdpConnected(transactionId, connectionIds.create(now, address, port)))
    if (connectionIds.isValid(now, packet, address, port))
      this.#takeKnown(now, packet, transactionId, address, send)
  }

  /** @param packet of somebody who receives what is sent to `address` */
  #takeKnown(
    now: Instant,
    packet: Uint8Array,
    transactionId: number,
    address: Uint8Array,
    send: SendReply,
  ): void {
    const { budgets, askers, desk } = this.#parts
    const decoded = decodeUdpRequest(packet)
    const request = decoded.ok && decoded.value.kind === 'announce' ? decoded.value.request : undefined
    const asker = askers.of(address, request?.ip)
    if (!budgets.take(now, asker)) return
    if (!decoded.ok) return send(encodeUdpError(transactionId, decoded.error.message))
    const { value } = decoded
    if (value.kind === 'connect') return
    desk.ask(
      value.kind === 'announce'
        ? {
            kind: 'announce',
            address: asker,
            from: asker === address ? undefined : address,
            request: value.request,
          }
        : { kind: 'scrape', infoHashes: value.infoHashes },
      (output) => send(this.#encode(transactionId, output, address)),
    )
  }

  #encode(transactionId: number, output: TrackerAnswer, address: Uint8Array): Uint8Array {
    switch (output.kind) {
      case 'announced':
        return encodeUdpAnswer(
          transactionId,
          output.answer,
          address.length === 4 ? 'v4' : 'v6',
          this.#allocate,
        )
      case 'scraped':
        return encodeUdpScraped(transactionId, output.counts)
      case 'refused':
        return encodeUdpError(transactionId, output.reason)
    }
  }
}
