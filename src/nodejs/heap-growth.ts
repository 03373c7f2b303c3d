/**
 * How far the JavaScript heap may outgrow what is alive on it.
 *
 * V8's own compiled code for Node.js fits only the flags it was made with: whatever module or
 * thread comes after a change of them is compiled anew, 35 ms for each. So flags change once
 * everything is there, if that can be.
 */
import { setFlagsFromString } from 'node:v8'

/**
 * Of the space for short-lived objects. They are few and small in a peer and a tracker: letting it grow gains
 * little or no time and costs 60 MB, or 130 while connections come and go. To be called
 * when modules and threads are up.
 */
export function keepYoungSpaceSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/** From so many files on a torrent is a large one. */
const MANY_FILES = 50_000
/** A `.torrent` of so many files has at least about this many bytes. */
const LONG_METAINFO_BYTES = 3 * 1024 * 1024

const GROWTH_PERCENT = 50

let isLimited = false

/**
 * To be told of what is about to be kept; once it is large the heap grows in small steps. By default V8 waits
 * until it is about two and a half times as large, which saves time while heaps are small. A torrent of
 * hundreds of thousands of files keeps 200 MB alive for as long as it is there, and while it is read twice as
 * much: the waste would be more than the rest. A half costs a few percent of time (docs/scale.md).
 */
export function expectOnHeap({ files = 0, metainfoBytes = 0 }): void {
  if (isLimited || (files < MANY_FILES && metainfoBytes < LONG_METAINFO_BYTES)) return
  isLimited = true
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
}
