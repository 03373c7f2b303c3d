/**
 * `--log-file`: every event as a JSON line with its time, kept bounded. A full file is renamed to `FILE.1`,
 * that one to `FILE.2`, and so on; the oldest goes.
 * Invariants: no secret is ever written (`base/redact.ts`); at most `keep` files of about 10 MiB each. A log
 * that can no longer be written never stops the program.
 */
import { closeSync, fstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { pino } from 'pino'
import { redactValue } from '../base/redact.ts'
import type { ShoalEvent } from './events.ts'

const FILE_BYTES_MAX = 10 * 1024 * 1024

export class LogFile {
  readonly #path: string
  readonly #keep: number
  readonly #fileBytesMax: number
  readonly #logger: pino.Logger
  #descriptor: number
  #bytes: number

  /** Throws when the file cannot be opened. */
  constructor(path: string, keep: number, fileBytesMax = FILE_BYTES_MAX) {
    this.#path = path
    this.#keep = keep
    this.#fileBytesMax = fileBytesMax
    this.#descriptor = openSync(path, 'a', 0o600)
    this.#bytes = fstatSync(this.#descriptor).size
    this.#logger = pino(
      { base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) } },
      { write: (line) => this.#append(line) },
    )
  }

  write(event: ShoalEvent): void {
    this.#logger.info(redactValue(event) as ShoalEvent)
  }

  close(): void {
    if (this.#descriptor >= 0) closeSync(this.#descriptor)
    this.#descriptor = -1
  }

  #append(line: string): void {
    if (this.#descriptor < 0) return
    try {
      if (this.#bytes > 0 && this.#bytes + line.length > this.#fileBytesMax) this.#rotate()
      this.#bytes += writeSync(this.#descriptor, line)
    } catch {
      this.close()
    }
  }

  #rotate(): void {
    this.close()
    rmSync(this.#keep > 1 ? `${this.#path}.${this.#keep - 1}` : this.#path, { force: true })
    for (let i = this.#keep - 2; i >= 0; i--) {
      try {
        renameSync(i === 0 ? this.#path : `${this.#path}.${i}`, `${this.#path}.${i + 1}`)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
    this.#descriptor = openSync(this.#path, 'a', 0o600)
    this.#bytes = 0
  }
}
