/**
 * The infohash of a hybrid torrent as clients compute it that write the info dictionary anew after reading it
 * and lose the entries with an empty key on the way (aria2 1.36). In the file tree of BEP 52 the empty key
 * leads to the length and root of each file, so for every hybrid they get another hash than everybody else.
 * A v1 dictionary has no empty keys and keeps its infohash; a torrent of v2 alone they cannot read.
 */
import { assert } from '../base/assert.ts'
import type { Crypto } from '../base/env.ts'
import { COLON, DICT, END, INTEGER, LIST, ZERO } from './bencode-scanner.ts'
import type { Metainfo } from './metainfo.ts'

/** Bytes of `0:`. */
const EMPTY_KEY_LENGTH = 2

/** What is open: a list, or a dictionary that goes on with a key or with a value. */
type Frame = 'list' | 'key' | 'value'

/** 20 bytes; null unless the torrent is a hybrid. Takes time and memory in proportion to the info bytes. */
export function rebuiltInfoHash(
  metainfo: Pick<Metainfo, 'format' | 'infoBytes'>,
  crypto: Crypto,
): Uint8Array | null {
  return metainfo.format === 'hybrid' ? crypto.sha1(withoutEmptyKeys(metainfo.infoBytes)) : null
}

/**
 * Leaves out every entry with an empty key, at any depth. The source is canonical bencode, which hybrids are
 * held to when they are read, so what is left needs no sorting.
 */
function withoutEmptyKeys(source: Uint8Array): Uint8Array {
  const kept = new Uint8Array(source.length)
  let keptLength = 0
  /** Begin of the run that goes into `kept` next. */
  let from = 0
  /** While an entry is left out: how many frames are open around it. */
  let omittedDepth = 0
  /** Bounded by bencodeDepthMax. */
  const frames: Frame[] = []
  const keepUntil = (end: number) => {
    kept.set(source.subarray(from, end), keptLength)
    keptLength += end - from
  }
  for (let at = 0; at < source.length; ) {
    const start = at
    at = tokenEnd(source, start)
    assert(at > start && at <= source.length, 'an info dictionary is well formed once it was read')
    const byte = source[start]
    if (byte === END) frames.pop()
    else if (frames.at(-1) === 'key') {
      frames[frames.length - 1] = 'value'
      if (omittedDepth > 0 || at - start > EMPTY_KEY_LENGTH) continue
      keepUntil(start)
      omittedDepth = frames.length
      continue
    } else if (byte === DICT || byte === LIST) {
      frames.push(byte === DICT ? 'key' : 'list')
      continue
    }
    // A value ends here.
    if (frames.at(-1) === 'value') frames[frames.length - 1] = 'key'
    if (omittedDepth === 0 || omittedDepth !== frames.length) continue
    omittedDepth = 0
    from = at
  }
  keepUntil(source.length)
  return kept.subarray(0, keptLength)
}

/** One past a number, a string, or the single byte that opens or closes a list or dictionary. */
function tokenEnd(source: Uint8Array, start: number): number {
  const first = source[start]
  if (first === DICT || first === LIST || first === END) return start + 1
  if (first === INTEGER) return source.indexOf(END, start) + 1
  let at = start
  let length = 0
  for (; at < source.length && source[at] !== COLON; at++) length = length * 10 + (source[at]! - ZERO)
  return at + 1 + length
}
