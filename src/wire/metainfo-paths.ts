/**
 * The paths of a v1 file list (BEP 3), one after the other. Neighbours mostly stand in the same folder: its
 * names are kept once and not once for each file, of which there are hundreds of thousands.
 * Bounded by pathDepthMax: the names of one path.
 */
import { equalBytes } from '../base/bytes.ts'
import type { BList } from './bencode.ts'
import { safeComponent, safePath } from './file-names.ts'

export interface ReadPath {
  /** Through the name policy. Never empty. */
  readonly path: readonly string[]
  readonly rawPath: readonly Uint8Array[]
}

export class PathReader {
  /** Of the path before. */
  readonly #raw: Uint8Array[] = []
  readonly #safe: (string | undefined)[] = []

  read(rawPath: readonly Uint8Array[]): ReadPath {
    for (let depth = 0; depth < rawPath.length; depth++) {
      const name = rawPath[depth]!
      const known = this.#raw[depth]
      if (known !== undefined && equalBytes(known, name)) continue
      this.#raw[depth] = name
      this.#safe[depth] = safeComponent(name)
    }
    this.#raw.length = rawPath.length
    this.#safe.length = rawPath.length
    // Copies have no room to grow in.
    const safe = this.#safe.slice()
    return { path: isWhole(safe) ? safe : safePath(rawPath), rawPath: this.#raw.slice() }
  }
}

/** Something is left of every name. */
function isWhole(names: (string | undefined)[]): names is string[] {
  return names.length > 0 && !names.includes(undefined)
}

/** Undefined when there is something else among them. */
export function stringsOf(list: BList): Uint8Array[] | undefined {
  const strings: Uint8Array[] = []
  for (const item of list.members()) {
    if (item.kind !== 'string') return undefined
    strings.push(item.bytes)
  }
  return strings
}
