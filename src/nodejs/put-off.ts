/**
 * Work on what peers have sent, for a later turn: pieces are hashed and their buffers given back once what
 * has come is read to its end, or as soon as enough of them wait. Those that wait longer fall out of the
 * processor's caches, and memory is drawn for more of them.
 */

/** Half of a small second-level cache, which also holds what is being read. */
const ENOUGH_BYTES = 1024 * 1024

/** Bounded by what is asked of peers at a time. */
let waiting: Array<() => void> = []
let waitingBytes = 0
let isScheduled = false

/** @param bytes of content that it is about */
export function putOff(bytes: number, work: () => void): void {
  waiting.push(work)
  waitingBytes += bytes
  if (isScheduled) return
  isScheduled = true
  setImmediate(() => {
    isScheduled = false
    doAll()
  })
}

/** For between two turns of whoever puts off: does all of it if enough waits. */
export function catchUp(): void {
  if (waitingBytes >= ENOUGH_BYTES) doAll()
}

function doAll(): void {
  while (waiting.length > 0) {
    const all = waiting
    waiting = []
    waitingBytes = 0
    for (const work of all) work()
  }
}
