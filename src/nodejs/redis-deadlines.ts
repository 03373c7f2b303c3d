/**
 * How long a call to Redis may go without an answer. A Redis that is connected and answers nothing, or a
 * network that drops what is sent, would hold every caller, and tells of itself by nothing else.
 * Invariants: a call settles at the latest a tenth of `answerMs` after its deadline, unless this process was
 * busy itself; that nothing is answered any more is told once, and so is the answer that comes after it.
 */
import { ErrorReply } from '@redis/client'

export interface DeadlineListener {
  /** Calls were given up, and no other was answered meanwhile. */
  silent(): void
  /** The first answer since then. */
  answered(): void
}

interface OpenCall {
  /** `performance.now()` */
  readonly since: number
  readonly reject: (error: Error) => void
}

/** Looks at what is overdue within the time that an answer has. */
const LOOKS = 10

export class CallDeadlines {
  readonly #answerMs: number
  readonly #listener: DeadlineListener
  /** In the order they began. Bounded by what the client lets wait. */
  readonly #open = new Set<OpenCall>()
  readonly #timer: NodeJS.Timeout
  #answeredAt = Number.NEGATIVE_INFINITY
  #lookedAt = Number.NEGATIVE_INFINITY
  #isSilent = false

  constructor(answerMs: number, listener: DeadlineListener) {
    this.#answerMs = answerMs
    this.#listener = listener
    this.#timer = setInterval(() => this.#giveUpOverdue(), answerMs / LOOKS).unref()
  }

  /** The same answer, or a rejection when it is late. */
  limit(answer: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = { since: performance.now(), reject }
      this.#open.add(call)
      answer.then(
        (value) => {
          this.#ended(call, true)
          resolve(value)
        },
        (error) => {
          // An error that Redis tells is an answer; any other is of the connection.
          this.#ended(call, error instanceof ErrorReply)
          reject(error)
        },
      )
    })
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #ended(call: OpenCall, isAnswered: boolean): void {
    this.#open.delete(call)
    if (!isAnswered) return
    this.#answeredAt = performance.now()
    if (!this.#isSilent) return
    this.#isSilent = false
    this.#listener.answered()
  }

  #giveUpOverdue(): void {
    const now = performance.now()
    const isLate = now - this.#lookedAt > (2 * this.#answerMs) / LOOKS
    this.#lookedAt = now
    // This process was busy: answers may be there that it has not read.
    if (isLate) return
    const deadline = now - this.#answerMs
    let isAny = false
    for (const call of this.#open) {
      if (call.since > deadline) break
      isAny = true
      this.#open.delete(call)
      call.reject(new Error('no answer'))
    }
    if (!isAny || this.#isSilent || this.#answeredAt > deadline) return
    this.#isSilent = true
    this.#listener.silent()
  }
}
