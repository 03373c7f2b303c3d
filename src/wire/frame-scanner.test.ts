import { expect, test } from 'vitest'
import { concatBytes } from '../base/bytes.ts'
import { FrameScanner, type ScannedMessage } from './frame-scanner.ts'
import { encodeHandshake } from './handshake.ts'
import { MESSAGE, MessageWriter, PIECE_HEADER_LENGTH, writePieceHeader } from './peer-messages.ts'

const HELLO = encodeHandshake({
  infoHash: new Uint8Array(20),
  peerId: new Uint8Array(20),
  supportsExtensions: true,
  supportsFast: true,
  supportsV2: false,
})

function stream(): Uint8Array {
  const writer = new MessageWriter()
  writer.raw(HELLO)
  writer.extended(0, new Uint8Array(100))
  writer.bitfield(new Uint8Array(3))
  writer.keepAlive()
  writer.plain(MESSAGE.interested)
  writer.number(MESSAGE.have, 7)
  writer.block(MESSAGE.request, 1, 16_384, 16_384)
  const block = new Uint8Array(PIECE_HEADER_LENGTH + 16_384)
  writePieceHeader(block, 0, 1, 16_384, 16_384)
  writer.bytes(99, new Uint8Array(5))
  return concatBytes([writer.take(), block, Uint8Array.of(0, 0, 0, 1, MESSAGE.choke)])
}

const EXPECTED: ScannedMessage[] = [
  { message: 'handshake' },
  { message: 'extended', extension: 0, length: 100 },
  { message: 'bitfield', length: 3 },
  { message: 'keep-alive' },
  { message: 'interested' },
  { message: 'have', piece: 7 },
  { message: 'request', piece: 1, begin: 16_384, length: 16_384 },
  { message: 'type-99', length: 5 },
  { message: 'piece', piece: 1, begin: 16_384, length: 16_384 },
  { message: 'choke' },
]

test.each([1, 3, 68, 100_000])('every message is named, in fragments of %i bytes', (size) => {
  const told: ScannedMessage[] = []
  const scanner = new FrameScanner((message) => told.push(message))
  const bytes = stream()
  for (let at = 0; at < bytes.length; at += size) scanner.push(bytes.subarray(at, at + size))
  expect(told).toEqual(EXPECTED)
})

test('what is not BitTorrent has no messages', () => {
  const told: ScannedMessage[] = []
  new FrameScanner((message) => told.push(message)).push(new Uint8Array(1000))
  expect(told).toEqual([])
})
