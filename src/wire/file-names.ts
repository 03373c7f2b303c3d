/**
 * The one name policy. Every name that comes from outside passes here before it is shown or becomes part of a
 * file's path: metainfo, metadata from peers, v2 tree keys, catalog and ring records, links (S01-S05).
 * Taken out: separators, control characters, characters that reorder text or cannot be seen, `.` and `..`.
 * What is well-behaved stays byte for byte; what is not gets the name that libtorrent
 * gives it, where that is safe.
 * Invariant: a path made here has at least one component, and none of them can leave the folder it is put in.
 */
import { LIMITS } from '../base/limits.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { decodeUtf8, encodeUtf8 } from '../base/text.ts'

export interface NameRules {
  /** Also avoid what Windows refuses: `<>:"|?*`, device names, dots and spaces at the end. */
  readonly windows?: boolean
  /** Names that differ only in case or in Unicode normal form are one name there (Windows, macOS). */
  readonly ignoreCase?: boolean
}

/** Stands for a byte or character that may not stay, and for a name of which nothing is left. */
const REPLACEMENT = '_'

/** Most bytes of one name on common file systems. */
const NAME_BYTES_MAX = 255
/**
 * What is kept of the stem of a longer one, as libtorrent does, and the longest extension
 * that is put behind it.
 */
const STEM_BYTES_MAX = 240
const EXTENSION_BYTES_MAX = 10

/** Shoal keeps its notes beside the content in a folder of this name; no torrent may write there. */
const RESERVED_NAME = /^\.shoal$/i

/** Separators and NUL; marks, embeddings, overrides and isolates that reorder text; spaces without width. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const REMOVED = /[\u0000/\\\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g

/** Controls, the two characters that break a line without being one, and halves of characters. */
const CONTROLS = /[\p{Control}\u2028\u2029\p{Surrogate}]/gu

const WINDOWS_CHARACTERS = /[<>:"|?*]/g
const WINDOWS_DEVICE =
  /^(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?=\.|$)/i

/** One path component; undefined when nothing is left of it (`.`, `..`, `/`). An empty name becomes `_`. */
export function safeComponent(name: Uint8Array | string, rules: NameRules = {}): string | undefined {
  const safe = safeText(name)
  return safe === undefined || rules.windows !== true ? safe : windowsText(safe)
}

/** The same for a name in these bytes that stays as it is, printable ASCII; undefined for every other. */
export function plainComponent(source: Uint8Array, start: number, end: number): string | undefined {
  const plain = start === end ? undefined : plainText(source, start, end)
  return plain === undefined || isDots(plain) ? undefined : plain
}

/** Components without those of which nothing is left; `_` when that is all of them. Never empty. */
export function safePath(components: readonly (Uint8Array | string)[], rules: NameRules = {}): string[] {
  const path: string[] = []
  for (const component of components) {
    const safe = safeComponent(component, rules)
    if (safe !== undefined) path.push(safe)
  }
  return path.length === 0 ? [REPLACEMENT] : path
}

/** The name of a torrent's own file or folder; undefined as in `safeComponent`. */
export function safeTorrentName(name: Uint8Array | string, rules: NameRules = {}): string | undefined {
  const safe = safeComponent(name, rules)
  return safe !== undefined && RESERVED_NAME.test(safe) ? REPLACEMENT + safe : safe
}

/** Comments and other lines for people: nothing that moves the cursor or reorders what is read. */
export function safeLine(text: Uint8Array | string): string {
  const line = typeof text === 'string' ? text : (decodeUtf8(text) ?? decodeDamaged(text))
  return line.replace(REMOVED, keptSeparator).replace(CONTROLS, ' ')
}

/**
 * Tells files apart whose paths are the same, or the same as a folder's: `a.txt` becomes `a.1.txt`. Folders
 * keep their names, and so does the first of equal files. An undefined path takes no part.
 * Fails with `names/too-many-duplicates`; renamed files are bounded by duplicateNamesMax.
 */
export function distinctPaths(
  paths: readonly (readonly string[] | undefined)[],
  rules: NameRules = {},
): Result<(readonly string[] | undefined)[]> {
  if (rules.ignoreCase !== true && isAscending(paths)) return ok([...paths])
  const keyOf = (path: readonly string[]) => {
    const key = path.join('/')
    return rules.ignoreCase === true ? key.normalize('NFC').toLowerCase() : key
  }
  const taken = folderKeys(paths, keyOf)
  /** The number to try next for a path that is taken, so that the search stays linear. */
  const nextNumbers = new Map<string, number>()
  const distinct = [...paths]
  let renamedCount = 0
  for (const [index, path] of paths.entries()) {
    if (path === undefined) continue
    const wantedKey = keyOf(path)
    let key = wantedKey
    if (taken.has(key) && ++renamedCount > LIMITS.duplicateNamesMax.value)
      return fail(
        'names/too-many-duplicates',
        `more than ${LIMITS.duplicateNamesMax.value} files have a name that is taken`,
      )
    while (taken.has(key)) {
      const number = nextNumbers.get(wantedKey) ?? 1
      nextNumbers.set(wantedKey, number + 1)
      distinct[index] = numbered(path, number)
      key = keyOf(distinct[index])
    }
    taken.add(key)
  }
  return ok(distinct)
}

/**
 * Whether the paths are in the order of their names, none of them twice and none of them the folder of
 * another (which would come right after it), as most programs write them: then they are distinct, and
 * hundreds of thousands of them need not be gathered.
 */
function isAscending(paths: readonly (readonly string[] | undefined)[]): boolean {
  let last: readonly string[] | undefined
  for (let i = 0; i < paths.length; i++) {
    const path = paths[i]
    if (path === undefined) continue
    if (last !== undefined) {
      let depth = 0
      while (depth < last.length && last[depth] === path[depth]) depth++
      if (depth === last.length || depth === path.length || last[depth]! > path[depth]!) return false
    }
    last = path
  }
  return true
}

/**
 * Every folder that a path passes through. Bounded by filesMax and pathDepthMax of the torrent it comes from.
 */
function folderKeys(
  paths: readonly (readonly string[] | undefined)[],
  keyOf: (path: readonly string[]) => string,
): Set<string> {
  const folders = new Set<string>()
  for (const path of paths) {
    if (path === undefined) continue
    for (let depth = path.length - 1; depth > 0; depth--) {
      const size = folders.size
      folders.add(keyOf(path.slice(0, depth)))
      if (folders.size === size) break
    }
  }
  return folders
}

function numbered(path: readonly string[], number: number): string[] {
  const name = path.at(-1)!
  const extension = extensionOf(name)
  const stem = name.slice(0, name.length - extension.length)
  return [...path.slice(0, -1), `${cut(stem, STEM_BYTES_MAX)}.${number}${extension}`]
}

function safeText(name: Uint8Array | string): string | undefined {
  if (name.length === 0) return REPLACEMENT
  const plain = typeof name === 'string' ? undefined : plainText(name, 0, name.length)
  if (plain !== undefined) return isDots(plain) ? undefined : plain
  const text = typeof name === 'string' ? name : (decodeUtf8(name) ?? decodeDamaged(name))
  const safe = text.replace(REMOVED, '').replace(CONTROLS, REPLACEMENT)
  return safe === '' || safe === '.' || safe === '..' ? undefined : shortened(safe)
}

function isDots(text: string): boolean {
  return text === '.' || text === '..'
}

/**
 * The text when it is printable ASCII without separators, as most names are; hundreds of
 * thousands come through here.
 */
function plainText(source: Uint8Array, start: number, end: number): string | undefined {
  const length = end - start
  if (length > NAME_BYTES_MAX) return undefined
  // A plain array: V8 takes twice as long with a view of the bytes and arguments made of it.
  let units = unitsOfLength[length]
  if (units === undefined) unitsOfLength[length] = units = new Array<number>(length).fill(0)
  for (let i = 0; i < length; i++) {
    const byte = source[start + i]!
    if (byte < 0x20 || byte > 0x7e || byte === 0x2f || byte === 0x5c) return undefined
    units[i] = byte
  }
  return String.fromCharCode.apply(null, units)
}

/** Kept for the next name as long; at most one for each length up to NAME_BYTES_MAX. */
const unitsOfLength: number[][] = []

/** UTF-8 with `_` for each damaged sequence, which is as long as its first byte says. */
function decodeDamaged(name: Uint8Array): string {
  let text = ''
  for (let at = 0; at < name.length; ) {
    const first = name[at]!
    const length = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 1
    text += decodeUtf8(name.subarray(at, at + length)) ?? REPLACEMENT
    at += length
  }
  return text
}

function shortened(text: string): string {
  if (encodeUtf8(text).length <= NAME_BYTES_MAX) return text
  return cut(text, STEM_BYTES_MAX) + extensionOf(text)
}

/** From the last dot on, when that is not much; else nothing. */
function extensionOf(text: string): string {
  const dot = text.lastIndexOf('.')
  const extension = dot < 0 ? '' : text.slice(dot)
  return encodeUtf8(extension).length > EXTENSION_BYTES_MAX ? '' : extension
}

/** As many whole characters from the front as fit into the bytes. */
function cut(text: string, bytesMax: number): string {
  let kept = ''
  let length = 0
  for (const character of text) {
    length += encodeUtf8(character).length
    if (length > bytesMax) break
    kept += character
  }
  return kept
}

function windowsText(text: string): string {
  const allowed = text.replace(WINDOWS_CHARACTERS, REPLACEMENT).replace(/[. ]+$/, '')
  if (allowed === '') return REPLACEMENT
  return WINDOWS_DEVICE.test(allowed) ? REPLACEMENT + allowed : allowed
}

function keptSeparator(character: string): string {
  return character === '/' || character === '\\' ? character : ''
}
