/**
 * Live news for whoever listens at `/api/v1/events`: server-sent events, one stream for each listener.
 * Invariants: a listener that does not read is let go when more than apiStreamBytesMax wait for it, so it
 * costs no memory; there are at most apiEventStreamsMax, and apiStreamsPerSourceMax of one address, so that
 * none takes all places; `close` ends all. Nothing is repeated: whoever comes back asks for the state first.
 */
import type { ServerResponse } from 'node:http'
import { toHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { addressScope } from '../wire/address-scope.ts'

/** Proxies close connections that are silent longer; a line that starts with a colon is no event. */
const PULSE_MS = 25_000
const V6_PREFIX_LENGTH = 8

export class EventHub {
  readonly #streams = new Set<ServerResponse>()
  /** How many each source has. Bounded by apiEventStreamsMax. */
  readonly #perSource = new Map<string, number>()
  #pulse: NodeJS.Timeout | undefined
  #lastId = 0

  get size(): number {
    return this.#streams.size
  }

  /** @param type a word such as `library`; @param data what becomes its JSON */
  publish(type: string, data: object): void {
    if (this.#streams.size === 0) return
    this.#write(`id: ${++this.#lastId}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  /**
   * False when there are too many already; the answer is then still to be given.
   * @param address 4 or 16 bytes: who listens
   */
  take(response: ServerResponse, headers: Record<string, string>, address: Uint8Array): boolean {
    const source = toHex(address.subarray(0, V6_PREFIX_LENGTH))
    const isFull = this.#streams.size >= LIMITS.apiEventStreamsMax.value
    const isGreedy = (this.#perSource.get(source) ?? 0) >= LIMITS.apiStreamsPerSourceMax.value
    // A proxy for many others may stand on this machine.
    if (isFull || (isGreedy && addressScope(address) !== 'machine')) return false
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    })
    response.write('retry: 3000\n\n')
    this.#streams.add(response)
    this.#count(source, 1)
    response.once('close', () => {
      this.#streams.delete(response)
      this.#count(source, -1)
    })
    response.on('error', () => response.destroy())
    this.#pulse ??= setInterval(() => this.#write(':\n\n'), PULSE_MS).unref()
    return true
  }

  close(): void {
    clearInterval(this.#pulse)
    for (const response of this.#streams) response.end()
    this.#streams.clear()
  }

  #count(source: string, change: 1 | -1): void {
    const count = (this.#perSource.get(source) ?? 0) + change
    if (count > 0) this.#perSource.set(source, count)
    else this.#perSource.delete(source)
  }

  #write(text: string): void {
    for (const response of this.#streams) {
      if (response.writableLength > LIMITS.apiStreamBytesMax.value) response.destroy()
      else response.write(text)
    }
  }
}
