/**
 * CRC-32C (Castagnoli), the checksum of RFC 3720: reflected polynomial 0x82f63b78, all ones before and after.
 */

const POLYNOMIAL = 0x82f6_3b78

/** By byte. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1
  return value
})

/** 0 to 2^32 - 1. */
export function crc32c(bytes: Uint8Array): number {
  let value = 0xffff_ffff
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff]! ^ (value >>> 8)
  return (value ^ 0xffff_ffff) >>> 0
}
