import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../base/bytes.ts'
import { type Fault, fail } from '../base/result.ts'
import { FrameReader, type FrameSink } from './frame-reader.ts'
import { MESSAGE, MessageWriter, PIECE_HEADER_LENGTH, writePieceHeader } from './peer-messages.ts'

const PIECE_COUNT = 20

/**
 * Writes down what it hears; blocks are gathered in a buffer of their own.
 * @param faultAt the place in `heard` of what it answers with a fault
 */
function recorder(faultAt = -1) {
  const heard: unknown[] = []
  let block: Uint8Array | undefined
  const hear = (what: unknown) =>
    heard.push(what) - 1 === faultAt ? fail('test/refused', `${what}`).error : undefined
  const sink: FrameSink = {
    onMessage: (type, payload) => hear([type, ...payload]),
    onHave: (piece) => hear(['have', piece]),
    onRequest: (piece, begin, length) => hear(['request', piece, begin, length]),
    onBlockStart: (piece, begin, length) => {
      block = new Uint8Array(length)
      reader.target = block
      reader.targetAt = 0
      return hear(['start', piece, begin, length])
    },
    onBlockEnd: (piece, begin, length) => hear(['end', piece, begin, length, ...block!]),
    onKeepAlive: () => void hear('keep-alive'),
  }
  const reader = new FrameReader(sink, PIECE_COUNT)
  return { reader, heard }
}

/** A frame and what the sink hears of it. */
interface Example {
  readonly bytes: Uint8Array
  readonly heard: readonly unknown[]
  /** Of a block its header, of others all of it. */
  readonly keptLength: number
}

function example(write: (writer: MessageWriter) => void, ...heard: unknown[]): Example {
  const writer = new MessageWriter()
  write(writer)
  const bytes = writer.take()
  return { bytes, heard, keptLength: bytes.length }
}

function blockFrame(piece: number, begin: number, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(PIECE_HEADER_LENGTH + bytes.length)
  writePieceHeader(frame, 0, piece, begin, bytes.length)
  frame.set(bytes, PIECE_HEADER_LENGTH)
  return frame
}

const uint32 = fc.nat(0xffffffff)

const frame: fc.Arbitrary<Example> = fc.oneof(
  fc.constant(example((writer) => writer.keepAlive(), 'keep-alive')),
  fc
    .constantFrom(MESSAGE.choke, MESSAGE.unchoke, MESSAGE.interested, MESSAGE.haveAll)
    .map((type) => example((writer) => writer.plain(type), [type])),
  uint32.map((piece) => example((writer) => writer.number(MESSAGE.have, piece), ['have', piece])),
  fc
    .tuple(uint32, uint32, uint32)
    .map((range) => example((writer) => writer.block(MESSAGE.request, ...range), ['request', ...range])),
  fc
    .constantFrom(MESSAGE.cancel, MESSAGE.reject)
    .map((type) =>
      example((writer) => writer.block(type, 1, 2, 3), [type, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]),
    ),
  fc
    .uint8Array({ maxLength: 50 })
    .map((payload) => example((writer) => writer.extended(3, payload), [MESSAGE.extended, 3, ...payload])),
  fc.tuple(uint32, uint32, fc.uint8Array({ maxLength: 60 })).map(([piece, begin, bytes]) => ({
    bytes: blockFrame(piece, begin, bytes),
    heard: [
      ['start', piece, begin, bytes.length],
      ['end', piece, begin, bytes.length, ...bytes],
    ],
    keptLength: PIECE_HEADER_LENGTH,
  })),
)
const frames = fc.array(frame, { maxLength: 12 })
const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 })

function joined(examples: readonly Example[]): Uint8Array {
  return concatBytes(examples.map(({ bytes }) => bytes))
}

/** What is heard of a stream that comes in parts of these lengths, over and over, up to the first fault. */
function readInParts(stream: Uint8Array, lengths: readonly number[], faultAt?: number) {
  const { reader, heard } = recorder(faultAt)
  let fault: Fault | undefined
  for (let at = 0, i = 0; at < stream.length && fault === undefined; i++) {
    const length = lengths[i % lengths.length]!
    // A copy, which the reader may not keep.
    const part = stream.slice(at, at + length)
    fault = reader.push(part)
    part.fill(0xee)
    at += length
  }
  if (fault !== undefined) expect(reader.push(Uint8Array.of(0, 0, 0, 1, MESSAGE.choke))).toBe(fault)
  return { heard, fault, unfinished: reader.unfinished() }
}

describe('FrameReader', () => {
  it('reads the messages that were written, however the stream is cut', () => {
    fc.assert(
      fc.property(frames, cuts, (examples, lengths) => {
        const read = readInParts(joined(examples), lengths)
        expect(read.fault).toBeUndefined()
        expect(read.heard).toEqual(examples.flatMap(({ heard }) => heard))
        expect(read.unfinished.length).toBe(0)
      }),
    )
  })

  it('reads any bytes alike, however they are cut, and nothing behind a fault', () => {
    const broken = fc
      .tuple(fc.nat(70), fc.nat(25), fc.uint8Array({ maxLength: 30 }))
      .map(([length, type, bytes]) => concatBytes([Uint8Array.of(0, 0, 0, length, type), bytes]))
    const part = fc.oneof(
      { arbitrary: frame.map(({ bytes }) => bytes), weight: 4 },
      { arbitrary: broken, weight: 1 },
    )
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 10 }),
        cuts,
        fc.integer({ min: -1, max: 12 }),
        (parts, lengths, faultAt) => {
          const stream = concatBytes(parts)
          const byteByByte = readInParts(stream, [1], faultAt)
          if (byteByByte.fault?.code === 'test/refused') expect(byteByByte.heard.length).toBe(faultAt + 1)
          expect(readInParts(stream, lengths, faultAt)).toEqual(byteByByte)
          expect(readInParts(stream, [Math.max(1, stream.length)], faultAt)).toEqual(byteByByte)
        },
      ),
    )
  })

  it('gives what another reader needs to go on in the middle of a frame', () => {
    fc.assert(
      fc.property(frames, frame, cuts, fc.nat(), (before, last, lengths, cut) => {
        const length = cut % last.bytes.length
        const stream = concatBytes([joined(before), last.bytes.subarray(0, length)])
        const { unfinished } = readInParts(stream, lengths)
        const kept = last.bytes.slice(0, length).fill(0, last.keptLength)
        expect(unfinished).toEqual(kept)
      }),
    )
  })

  it.each([
    ['a 4 GiB message (S13)', [0xff, 0xff, 0xff, 0xff, 99], 'wire/message-too-large'],
    ['a 2 GiB block', [0x7f, 0xff, 0xff, 0xff, 7], 'wire/block-too-large'],
    ['blocks of 128 KiB and a byte', [0, 2, 0, 0x0a, 7], 'wire/block-too-large'],
    ['a have of two bytes', [0, 0, 0, 3, 4], 'wire/bad-length'],
    ['a bitfield of the wrong size', [0, 0, 0, 9, 5], 'wire/bad-length'],
    ['a piece without its header', [0, 0, 0, 5, 7], 'wire/bad-length'],
    ['a piece without the last byte of its header', [0, 0, 0, 8, 7], 'wire/bad-length'],
    ['a request of 11 bytes', [0, 0, 0, 12, 6], 'wire/bad-length'],
  ])('refuses %s by its header alone', (_, header, code) => {
    expect(recorder().reader.push(Uint8Array.from(header))?.code).toBe(code)
  })

  it('does not end a block that was refused, were it empty', () => {
    const { reader, heard } = recorder(0)
    expect(reader.push(blockFrame(1, 2, new Uint8Array(0)))?.code).toBe('test/refused')
    expect(heard).toEqual([['start', 1, 2, 0]])
  })

  it('skips unknown messages (L39)', () => {
    const { reader, heard } = recorder()
    expect(reader.push(Uint8Array.of(0, 0, 0, 3, 99, 1, 2, 0, 0, 0, 1, 1))).toBeUndefined()
    expect(heard).toEqual([[99, 1, 2], [1]])
  })

  it('skips a block nobody gave a place to', () => {
    const heard: string[] = []
    const reader = new FrameReader(
      {
        onMessage: () => undefined,
        onHave: () => undefined,
        onRequest: () => undefined,
        onBlockStart: () => undefined,
        onBlockEnd: () => void heard.push('end'),
        onKeepAlive: () => undefined,
      },
      PIECE_COUNT,
    )
    expect(reader.push(blockFrame(1, 0, new Uint8Array(100)))).toBeUndefined()
    expect(heard).toEqual(['end'])
  })
})
