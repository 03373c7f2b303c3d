/**
 * Entries of a v1 file list (BEP 3) as nearly all programs write them: a length, a path of printable ASCII,
 * and nothing else. There are hundreds of thousands of them, and a program that starts waits for them: they
 * are read where they stand, without a node for each part and without a copy of names as they stand there.
 * Invariant: what is read here is what the general reader would give; it gets every other
 * entry, also one that is wrong.
 */
import { LIMITS } from '../base/limits.ts'
import { fromLatin1 } from '../base/text.ts'
import { COLON, END, ZERO } from './bencode-scanner.ts'
import { plainComponent } from './file-names.ts'
import { BITCOMET_PADDING, FILE_LENGTH_MAX, type ListedFile, UNPLACED } from './metainfo-files.ts'

/** Before the length, and from there to the first name. */
const HEAD = fromLatin1('d6:lengthi')
const MIDDLE = fromLatin1('e4:pathl')
/** Beyond these it is for the general reader to judge. */
const LENGTH_DIGITS_MAX = 15

export class PlainEntryReader {
  readonly #source: Uint8Array
  /** Where the folders of the entry before stand in the source, and what they are. */
  #foldersAt = 0
  #foldersEnd = 0
  #folders: readonly string[] = []
  /** One past the entry read last. */
  end = 0

  /** @param source well-formed bencode */
  constructor(source: Uint8Array) {
    // A view that is no Buffer: parts of it are cheaper.
    this.#source = new Uint8Array(source.buffer, source.byteOffset, source.length)
  }

  /** @param start of an entry. Undefined when it is not plain. */
  read(start: number): ListedFile | undefined {
    const source = this.#source
    if (!this.#standsAt(start, HEAD)) return undefined
    const lengthAt = start + HEAD.length
    let at = lengthAt
    let length = 0
    for (let byte = source[at]!; byte >= ZERO && byte <= ZERO + 9; byte = source[++at]!)
      length = 10 * length + byte - ZERO
    if (at === lengthAt || at > lengthAt + LENGTH_DIGITS_MAX || length > FILE_LENGTH_MAX) return undefined
    if (!this.#standsAt(at, MIDDLE)) return undefined
    at += MIDDLE.length
    const pathAt = at
    let depth = 0
    /** Of the last component: where its length stands, where it begins. */
    let lastAt = at
    let nameAt = at
    for (; source[at] !== END; at = nameAt) {
      lastAt = at
      let nameLength = 0
      for (let byte = source[at]!; byte !== COLON; byte = source[++at]!) {
        // Something that is no name.
        if (!(byte >= ZERO && byte <= ZERO + 9)) return undefined
        nameLength = 10 * nameLength + byte - ZERO
      }
      nameAt = at + 1 + nameLength
      depth++
    }
    if (depth === 0 || depth > LIMITS.pathDepthMax.value || source[at + 1] !== END) return undefined
    const folders = this.#foldersIn(pathAt, lastAt)
    const name = plainName(source, lastAt, at)
    if (folders === undefined || name === undefined) return undefined
    this.end = at + 2
    return {
      path: joined(folders, name),
      rawPath: undefined,
      length,
      offset: UNPLACED,
      isPad: false,
      piecesRoot: null,
      pieceLayer: null,
    }
  }

  /** Undefined when they are not plain. */
  #foldersIn(start: number, end: number): readonly string[] | undefined {
    const source = this.#source
    const length = end - start
    let same = this.#foldersEnd - this.#foldersAt === length ? 0 : -1
    if (same === 0) while (same < length && source[start + same] === source[this.#foldersAt + same]) same++
    if (same === length) return this.#folders
    const folders: string[] = []
    for (let at = start; at < end; ) {
      const colon = source.indexOf(COLON, at)
      const nameEnd = colon + 1 + Number(String.fromCharCode(...source.subarray(at, colon)))
      const name = plainName(source, at, nameEnd)
      if (name === undefined) return undefined
      folders.push(name)
      at = nameEnd
    }
    this.#foldersAt = start
    this.#foldersEnd = end
    this.#folders = folders.slice()
    return this.#folders
  }

  /** Backwards, because the length of an array of bytes takes a call until V8 has compiled this well. */
  #standsAt(start: number, text: Uint8Array): boolean {
    const source = this.#source
    for (let i = text.length - 1; i >= 0; i--) if (source[start + i] !== text[i]) return false
    return true
  }
}

/** The bencoded string in this span. */
function plainName(source: Uint8Array, start: number, end: number): string | undefined {
  let at = start
  while (source[at] !== COLON) at++
  const name = plainComponent(source, at + 1, end)
  return name === undefined || name.includes(BITCOMET_PADDING) ? undefined : name
}

/** As long as it is: a literal with a spread leaves room for sixteen more. */
function joined(folders: readonly string[], name: string): readonly string[] {
  if (folders.length === 0) return [name]
  return folders.length === 1 ? [folders[0]!, name] : folders.concat([name])
}
