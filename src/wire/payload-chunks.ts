/**
 * Payload strings as ordered chunks of four characters. A character is a Unicode code point, never a UTF-16
 * unit or a byte, so that every language cuts the same string in the same places; the last chunk may be
 * shorter. Positions count from 0.
 */

/** Characters of a chunk; the last one may have fewer. */
export const CHUNK_CHARACTERS = 4

/**
 * Where each chunk begins in well-formed UTF-8, and after them where the text ends: one entry more than there
 * are chunks.
 */
export function chunkOffsets(utf8: Uint8Array): Uint32Array {
  let characters = 0
  for (const byte of utf8) if (beginsCharacter(byte)) characters++
  const offsets = new Uint32Array(Math.ceil(characters / CHUNK_CHARACTERS) + 1)
  let character = 0
  for (const [at, byte] of utf8.entries()) {
    if (!beginsCharacter(byte)) continue
    if (character % CHUNK_CHARACTERS === 0) offsets[character / CHUNK_CHARACTERS] = at
    character++
  }
  offsets[offsets.length - 1] = utf8.length
  return offsets
}

export function countChunks(utf8: Uint8Array): number {
  let characters = 0
  for (const byte of utf8) if (beginsCharacter(byte)) characters++
  return Math.ceil(characters / CHUNK_CHARACTERS)
}

/** Every byte but the second to fourth of a character (RFC 3629). */
function beginsCharacter(byte: number): boolean {
  return (byte & 0xc0) !== 0x80
}
