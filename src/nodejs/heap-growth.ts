/**
 * How far the JavaScript heap may outgrow what is alive on it. Flags change once modules and threads are
 * there, if that can be (`v8-flags.ts`).
 */
import { changeFlag } from './v8-flags.ts'

/**
 * From so many files on, what is made of them lets the space for short-lived objects grow
 * by 50 MB, which stay.
 */
const SEVERAL_FILES = 10_000
/** A large torrent. */
const MANY_FILES = 50_000
const LONG_METAINFO_BYTES = 3 * 1024 * 1024

const GROWTH_PERCENT = 50

/**
 * Of the space for short-lived objects. They are few and small in a peer and a tracker: letting it grow gains
 * little or no time and costs 60 MB, or 130 while connections come and go. To be called when modules and
 * threads are up.
 */
export function keepYoungSpaceSmall(): void {
  changeFlag('youngSpaceGrowth', '--semi-space-growth-factor=1')
}

/**
 * To be told of what is about to be kept; once it is large the heap grows in small steps. By default V8 waits
 * until it is about two and a half times as large, which saves time while heaps are small. A torrent of
 * hundreds of thousands of files keeps 200 MB alive for as long as it is there, and while it is read twice as
 * much: the waste would be more than the rest. A half costs a few percent of time (docs/scale.md).
 */
export function expectOnHeap({ files = 0, metainfoBytes = 0 }): void {
  if (files >= SEVERAL_FILES || metainfoBytes >= LONG_METAINFO_BYTES) keepYoungSpaceSmall()
  if (files < MANY_FILES && metainfoBytes < LONG_METAINFO_BYTES) return
  changeFlag('heapGrowth', `--heap-growing-percent=${GROWTH_PERCENT}`)
}
