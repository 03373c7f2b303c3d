/**
 * The codecs in this process: peer messages through the frame reader (pushed in pieces of 64 KiB, as sockets
 * deliver them) and out of the message writer, handshakes, bencode and whole torrent files.
 *
 *   npm run bench -- codecs [--rounds 5] [--ms 300]
 *
 * Each round takes at least `--ms` milliseconds; the first one warms up and does not count. No build needed.
 */
import { parseArgs } from 'node:util'
import { concatBytes } from '../src/base/bytes.ts'
import { Prng } from '../src/base/prng.ts'
import { fromLatin1 } from '../src/base/text.ts'
import { nodeCrypto } from '../src/nodejs/node-crypto.ts'
import { SHARED_MEMORY } from '../src/nodejs/shared-memory.ts'
import { type BValue, decodeBencode, encodeBencode } from '../src/wire/bencode.ts'
import { FrameReader } from '../src/wire/frame-reader.ts'
import { decodeHandshake, encodeHandshake } from '../src/wire/handshake.ts'
import { parseMetainfo } from '../src/wire/metainfo.ts'
import { MESSAGE, MessageWriter, PIECE_HEADER_LENGTH, writePieceHeader } from '../src/wire/peer-messages.ts'
import { decodeAnnounceReply, encodeCompactReply } from '../src/wire/tracker-http-reply.ts'
import { positiveNumber } from './kit/options.ts'
import { Results } from './kit/results.ts'
import { ratesPerSecond } from './kit/rounds.ts'

const BLOCK_LENGTH = 16 * 1024
const PUSH_LENGTH = 64 * 1024
const PIECE_COUNT = 20_000
const BLOCKS = 64
const MESSAGES = 10_000
const FILES = 20_000

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, ms: { type: 'string', default: '300' } },
})
const rounds = {
  count: positiveNumber('rounds', values.rounds),
  atLeastMs: positiveNumber('ms', values.ms),
}
const prng = new Prng(1)
const results = new Results()
measurePeerMessages()
measureHandshakes()
measureBencode()
results.printByRow('codecs')
results.save('codecs', values, ['MB/s'])

/** @param bytes on the wire of one call, which handles `count` messages or values */
function measure(what: string, bytes: number, count: number, work: () => void): void {
  const rates = ratesPerSecond(rounds, () => {
    work()
    return 1
  })
  for (const rate of rates)
    results.add(what, { 'MB/s': (rate * bytes) / 1e6, 'thousand/s': (rate * count) / 1e3 })
}

function measurePeerMessages(): void {
  const blocks = concatBytes(Array.from({ length: BLOCKS }, (_, i) => blockFrame(i)))
  measure('decode: blocks of 16 KiB', blocks.length, BLOCKS, decoder(blocks))
  const haves = written((writer) => writer.number(MESSAGE.have, prng.below(PIECE_COUNT)))
  measure('decode: have', haves.length, MESSAGES, decoder(haves))
  const requests = written((writer) => writer.block(MESSAGE.request, 1, 2, BLOCK_LENGTH))
  measure('decode: request', requests.length, MESSAGES, decoder(requests))
  measure('encode: have', haves.length, MESSAGES, () => {
    written((writer) => writer.number(MESSAGE.have, 1234))
  })
  measure('encode: request', requests.length, MESSAGES, () => {
    written((writer) => writer.block(MESSAGE.request, 1, 2, BLOCK_LENGTH))
  })
  const frame = new Uint8Array(PIECE_HEADER_LENGTH)
  measure('encode: header of a block', PIECE_HEADER_LENGTH * MESSAGES, MESSAGES, () => {
    for (let i = 0; i < MESSAGES; i++) writePieceHeader(frame, 0, i, BLOCK_LENGTH, BLOCK_LENGTH)
  })
}

function measureHandshakes(): void {
  const handshake = {
    infoHash: prng.bytes(20),
    peerId: prng.bytes(20),
    supportsExtensions: true,
    supportsFast: true,
    supportsV2: false,
  }
  const bytes = encodeHandshake(handshake)
  measure('decode: handshake', bytes.length * MESSAGES, MESSAGES, () => {
    for (let i = 0; i < MESSAGES; i++) decodeHandshake(bytes)
  })
  measure('encode: handshake', bytes.length * MESSAGES, MESSAGES, () => {
    for (let i = 0; i < MESSAGES; i++) encodeHandshake(handshake)
  })
}

function measureBencode(): void {
  const value = libraryMetainfo()
  const torrent = encodeBencode(value)
  measure(`decode: bencode, ${FILES} files`, torrent.length, 1, () => decodeBencode(torrent))
  measure(`encode: bencode, ${FILES} files`, torrent.length, 1, () => encodeBencode(value))
  measure(`read: .torrent of ${FILES} files`, torrent.length, 1, () => {
    const metainfo = parseMetainfo(torrent, nodeCrypto)
    if (!metainfo.ok) throw new Error(metainfo.error.message)
  })
  const answer = { seeders: 40, leechers: 10, completed: 7, intervalSeconds: 1800, minIntervalSeconds: 60 }
  const peers = { peersV4: prng.bytes(6 * 50), peersV6: new Uint8Array(0) }
  const reply = fromLatin1(encodeCompactReply({ ...answer, ...peers }, prng.bytes(4)))
  measure('read: tracker reply of 50 peers', reply.length * 100, 100, () => {
    for (let i = 0; i < 100; i++) decodeAnnounceReply(reply)
  })
}

/** Into shared memory, where pieces are gathered. */
function decoder(bytes: Uint8Array): () => void {
  const target = SHARED_MEMORY.allocate(BLOCK_LENGTH)
  const reader: FrameReader = new FrameReader(
    {
      onMessage: () => undefined,
      onHave: () => undefined,
      onRequest: () => undefined,
      onBlockStart: () => {
        reader.target = target
        reader.targetAt = 0
        return undefined
      },
      onBlockEnd: () => undefined,
      onKeepAlive: () => {},
    },
    PIECE_COUNT,
    SHARED_MEMORY.copy,
  )
  return () => {
    for (let at = 0; at < bytes.length; at += PUSH_LENGTH) {
      const fault = reader.push(bytes.subarray(at, at + PUSH_LENGTH))
      if (fault !== undefined) throw new Error(fault.message)
    }
  }
}

function blockFrame(piece: number): Uint8Array {
  const frame = prng.bytes(PIECE_HEADER_LENGTH + BLOCK_LENGTH)
  writePieceHeader(frame, 0, piece, 0, BLOCK_LENGTH)
  return frame
}

function written(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter()
  for (let i = 0; i < MESSAGES; i++) write(writer)
  return writer.take()
}

function libraryMetainfo(): BValue {
  const files = Array.from({ length: FILES }, (_, i) => ({
    length: 160_000,
    path: [`${Math.floor(i / 200)}`.padStart(4, '0'), `${i}.jpg`],
  }))
  const pieceLength = 1024 * 1024
  const pieces = prng.bytes(20 * Math.ceil((FILES * 160_000) / pieceLength))
  return {
    announce: 'http://127.0.0.1:6969/announce',
    info: { files, name: 'library', 'piece length': pieceLength, pieces },
  }
}
