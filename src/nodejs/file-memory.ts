/**
 * Memory that long runs of files are read into.
 *
 * The kernel copies whole pages into it with `rep movsb`, and processors stumble where the target begins a
 * few bytes behind the source, counted within a page of 4 KiB: what is read next looks as if it had just been
 * written. Measured on an AMD EPYC: 1-15 bytes cost three times, 16-31 bytes one and a half times as much.
 * Large allocations stand 16 bytes behind the begin of a page, after malloc's own notes; that would be
 * every read.
 */

/** Of one line of the processor's cache. */
const DISTANCE = 64

/** Its content is arbitrary. */
export function fileMemory(length: number): Buffer {
  return Buffer.allocUnsafeSlow(DISTANCE + length).subarray(DISTANCE)
}
