/**
 * Live news for whoever listens at `/api/v1/events`: server-sent events, one stream for each listener.
 * Invariants: a listener that does not read is let go when more than apiStreamBytesMax wait for it, so it
 * costs no memory; there are at most apiEventStreamsMax; `close` ends all. Nothing is repeated: whoever comes
 * back asks for the state first.
 */
import type { ServerResponse } from 'node:http'
import { LIMITS } from '../base/limits.ts'

/** Proxies close connections that are silent longer; a line that starts with a colon is no event. */
const PULSE_MS = 25_000

export class EventHub {
  readonly #streams = new Set<ServerResponse>()
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

  /** False when there are too many already; the answer is then still to be given. */
  take(response: ServerResponse, headers: Record<string, string>): boolean {
    if (this.#streams.size >= LIMITS.apiEventStreamsMax.value) return false
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    })
    response.write('retry: 3000\n\n')
    this.#streams.add(response)
    response.on('close', () => this.#streams.delete(response))
    response.on('error', () => response.destroy())
    this.#pulse ??= setInterval(() => this.#write(':\n\n'), PULSE_MS).unref()
    return true
  }

  close(): void {
    clearInterval(this.#pulse)
    for (const response of this.#streams) response.end()
    this.#streams.clear()
  }

  #write(text: string): void {
    for (const response of this.#streams) {
      if (response.writableLength > LIMITS.apiStreamBytesMax.value) response.destroy()
      else response.write(text)
    }
  }
}
