/** Shoal's own tracker as a process, fresh for each transfer, so that no peer of an earlier one is in it. */
import { toLatin1 } from '../../src/base/text.ts'
import { scrapeUrl } from '../../src/wire/tracker-http.ts'
import { decodeScrapeReply } from '../../src/wire/tracker-http-reply.ts'
import { freshFolder } from './clean-up.ts'
import { MeasuredProcess } from './measured-process.ts'
import { shoalCommand } from './shoal-program.ts'
import { until } from './waiting.ts'

const START_MS = 10_000
const SCRAPE_MS = 5000
const HOST = '127.0.0.1'

export function announceUrl(port: number): string {
  return `http://${HOST}:${port}/announce`
}

export class TrackerProcess {
  readonly process: MeasuredProcess
  readonly #port: number

  private constructor(process: MeasuredProcess, port: number) {
    this.process = process
    this.#port = port
  }

  static async start(port: number): Promise<TrackerProcess> {
    let isListening = false
    const process = new MeasuredProcess('tracker', {
      command: shoalCommand('tracker', '--host', HOST, '--port', `${port}`, '--heartbeat', 'off', '--json'),
      folder: freshFolder('tracker'),
      onLine: (line) => (isListening ||= line.includes('"event":"listening"')),
    })
    await until('tracker', START_MS, () => {
      process.requireRunning()
      return isListening
    })
    return new TrackerProcess(process, port)
  }

  /** Peers that have everything, as a scrape counts them. */
  async seedCount(infoHash: Uint8Array): Promise<number> {
    const url = scrapeUrl(announceUrl(this.#port), [infoHash])!
    const response = await fetch(url, { signal: AbortSignal.timeout(SCRAPE_MS) })
    const reply = decodeScrapeReply(new Uint8Array(await response.arrayBuffer()))
    if (!reply.ok) throw new Error(reply.error.message)
    return reply.value.get(toLatin1(infoHash))?.seeders ?? 0
  }

  stop(): Promise<void> {
    return this.process.stop()
  }
}
