/**
 * The smallest PNG writer that makes real pictures: 8-bit RGB, one filter per line, one IDAT chunk.
 * Format: W3C PNG specification, third edition; checksums by zlib.
 */
import { promisify } from 'node:util'
import { crc32, deflate } from 'node:zlib'

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const BYTES_PER_PIXEL = 3
const COLOUR_TYPE_RGB = 2
/** Each byte minus the one of the pixel above: good for pictures that change slowly. */
const FILTER_UP = 2

const compress = promisify(deflate)

/** @param pixels rows from the top, three bytes a pixel */
export async function encodePng(width: number, height: number, pixels: Uint8Array): Promise<Buffer> {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, COLOUR_TYPE_RGB, 0, 0, 0], 8)
  const data = await compress(filtered(width * BYTES_PER_PIXEL, height, pixels), { level: 4 })
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function filtered(rowLength: number, height: number, pixels: Uint8Array): Uint8Array {
  const lines = new Uint8Array((rowLength + 1) * height)
  for (let y = 0; y < height; y++) {
    const to = y * (rowLength + 1)
    const from = y * rowLength
    lines[to] = FILTER_UP
    for (let x = 0; x < rowLength; x++)
      lines[to + 1 + x] = pixels[from + x]! - (y === 0 ? 0 : pixels[from - rowLength + x]!)
  }
  return lines
}

/** Length, type, data, checksum of type and data. */
function chunk(type: string, data: Buffer): Buffer {
  const bytes = Buffer.alloc(data.length + 12)
  bytes.writeUInt32BE(data.length, 0)
  bytes.write(type, 4, 'latin1')
  data.copy(bytes, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(4, data.length + 8)), data.length + 8)
  return bytes
}
