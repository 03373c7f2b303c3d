/**
 * A small bencoder of the kit's own (BEP 3). It shares no code with the product, on purpose: what the product
 * writes is read here, and what it reads is written here. Dictionaries decode to maps whose keys are latin1
 * text, one character per byte; byte strings stay bytes. It trusts its input to fit into memory.
 */
export type Bencodable =
  | number
  | bigint
  | string
  | Uint8Array
  | Bencodable[]
  | Map<string, Bencodable>
  | { [key: string]: Bencodable | undefined }

export type Bencoded = number | Buffer | Bencoded[] | BencodedDictionary
export type BencodedDictionary = Map<string, Bencoded>

/** Keys of a plain object are UTF-8 text, keys of a map are latin1 text. They are sorted by raw bytes. */
export function bencode(value: Bencodable): Buffer {
  if (typeof value === 'number' || typeof value === 'bigint') return Buffer.from(`i${value}e`)
  if (typeof value === 'string') return bencode(Buffer.from(value))
  if (value instanceof Uint8Array) return Buffer.concat([Buffer.from(`${value.length}:`), value])
  if (Array.isArray(value)) return Buffer.concat([Buffer.from('l'), ...value.map(bencode), Buffer.from('e')])
  const entries: [Buffer, Bencodable][] = []
  if (value instanceof Map) for (const [key, item] of value) entries.push([Buffer.from(key, 'latin1'), item])
  else
    for (const [key, item] of Object.entries(value))
      if (item !== undefined) entries.push([Buffer.from(key), item])
  entries.sort((a, b) => Buffer.compare(a[0], b[0]))
  const parts = entries.flatMap(([key, item]) => [bencode(key), bencode(item)])
  return Buffer.concat([Buffer.from('d'), ...parts, Buffer.from('e')])
}

/** Decodes one value that fills the whole buffer. Throws on anything else. */
export function bdecode(bytes: Buffer): Bencoded {
  const cursor = { at: 0 }
  const value = decodeAt(bytes, cursor)
  if (cursor.at !== bytes.length)
    throw new Error(`bencode: ${bytes.length - cursor.at} bytes after the value`)
  return value
}

/** Decodes a dictionary at the start of `bytes` and tells where it ends, as a BEP 9 message needs. */
export function bdecodePrefix(bytes: Buffer): { value: BencodedDictionary; end: number } {
  const cursor = { at: 0 }
  const value = decodeAt(bytes, cursor)
  if (!(value instanceof Map)) throw new Error('bencode: no dictionary')
  return { value, end: cursor.at }
}

/** The raw bytes of one member of the outermost dictionary, for hashing. */
export function rawMember(bytes: Buffer, wanted: string): Buffer {
  const cursor = { at: 1 }
  while (bytes[cursor.at] !== 0x65) {
    const key = decodeAt(bytes, cursor)
    const start = cursor.at
    decodeAt(bytes, cursor)
    if (Buffer.isBuffer(key) && key.toString('latin1') === wanted) return bytes.subarray(start, cursor.at)
  }
  throw new Error(`bencode: no member ${wanted}`)
}

function decodeAt(bytes: Buffer, cursor: { at: number }): Bencoded {
  const first = bytes[cursor.at]
  if (first === 0x69) {
    const end = bytes.indexOf(0x65, cursor.at)
    const text = bytes.toString('latin1', cursor.at + 1, end)
    if (!/^(0|-?[1-9][0-9]*)$/.test(text)) throw new Error(`bencode: bad integer ${text}`)
    cursor.at = end + 1
    return Number(text)
  }
  if (first === 0x6c) {
    const items: Bencoded[] = []
    cursor.at++
    while (bytes[cursor.at] !== 0x65) items.push(decodeAt(bytes, cursor))
    cursor.at++
    return items
  }
  if (first === 0x64) {
    const map: BencodedDictionary = new Map()
    cursor.at++
    while (bytes[cursor.at] !== 0x65) {
      const key = decodeAt(bytes, cursor)
      if (!Buffer.isBuffer(key)) throw new Error('bencode: key is no string')
      map.set(key.toString('latin1'), decodeAt(bytes, cursor))
    }
    cursor.at++
    return map
  }
  const colon = bytes.indexOf(0x3a, cursor.at)
  const text = colon < 0 ? '' : bytes.toString('latin1', cursor.at, colon)
  if (!/^(0|[1-9][0-9]*)$/.test(text)) throw new Error(`bencode: bad byte ${first} at ${cursor.at}`)
  const start = colon + 1
  const end = start + Number(text)
  if (end > bytes.length) throw new Error('bencode: string beyond the end')
  cursor.at = end
  return bytes.subarray(start, end)
}
