import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../base/bytes.ts'
import { FrameReader, type FrameSink } from './frame-reader.ts'
import { MESSAGE, MessageWriter, PIECE_HEADER_LENGTH, writePieceHeader } from './peer-messages.ts'

const PIECE_COUNT = 20

/** Writes down what it hears; blocks are gathered in a buffer of their own. */
function recorder() {
  const heard: unknown[] = []
  let block: Uint8Array | undefined
  const sink: FrameSink = {
    onMessage: (type, payload) => void heard.push([type, ...payload]),
    onBlockStart: (_piece, _begin, length) => {
      block = new Uint8Array(length)
      reader.target = block
      reader.targetAt = 0
      return undefined
    },
    onBlockEnd: (piece, begin) => void heard.push(['block', piece, begin, ...block!]),
    onKeepAlive: () => void heard.push('keep-alive'),
  }
  const reader = new FrameReader(sink, PIECE_COUNT)
  return { reader, heard }
}

function blockFrame(piece: number, begin: number, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(PIECE_HEADER_LENGTH + bytes.length)
  writePieceHeader(frame, 0, piece, begin, bytes.length)
  frame.set(bytes, PIECE_HEADER_LENGTH)
  return frame
}

const frame = fc.oneof(
  fc.constant(new Uint8Array(4)),
  fc.constantFrom(MESSAGE.choke, MESSAGE.unchoke, MESSAGE.interested, MESSAGE.haveAll).map((type) => {
    const writer = new MessageWriter()
    writer.plain(type)
    return writer.take()
  }),
  fc.nat(PIECE_COUNT).map((piece) => {
    const writer = new MessageWriter()
    writer.number(MESSAGE.have, piece)
    return writer.take()
  }),
  fc.tuple(fc.nat(9), fc.nat(9), fc.nat(16_384)).map(([piece, begin, length]) => {
    const writer = new MessageWriter()
    writer.block(MESSAGE.request, piece, begin, length)
    return writer.take()
  }),
  fc.uint8Array({ maxLength: 50 }).map((payload) => {
    const writer = new MessageWriter()
    writer.extended(3, payload)
    return writer.take()
  }),
  fc
    .tuple(fc.nat(9), fc.nat(9), fc.uint8Array({ maxLength: 60 }))
    .map(([piece, begin, bytes]) => blockFrame(piece, begin, bytes)),
)

describe('FrameReader', () => {
  it('reads the same messages however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 40 })),
        (frames, cuts) => {
          const stream = concatBytes(frames)
          const whole = recorder()
          expect(whole.reader.push(stream)).toBeUndefined()
          expect(whole.heard.length).toBe(frames.length)
          const cut = recorder()
          for (let at = 0, i = 0; at < stream.length; i++) {
            const length = cuts[i % Math.max(1, cuts.length)] ?? 1
            expect(cut.reader.push(stream.slice(at, at + length))).toBeUndefined()
            at += length
          }
          expect(cut.heard).toEqual(whole.heard)
        },
      ),
    )
  })

  it.each([
    ['a 4 GiB message (S13)', [0xff, 0xff, 0xff, 0xff, 99], 'wire/message-too-large'],
    ['a 2 GiB block', [0x7f, 0xff, 0xff, 0xff, 7], 'wire/block-too-large'],
    ['a block of 16 KiB and a byte', [0, 0, 0x40, 0x0a, 7], 'wire/block-too-large'],
    ['a have of two bytes', [0, 0, 0, 3, 4], 'wire/bad-length'],
    ['a bitfield of the wrong size', [0, 0, 0, 9, 5], 'wire/bad-length'],
    ['a piece without its header', [0, 0, 0, 5, 7], 'wire/bad-length'],
    ['a request of 11 bytes', [0, 0, 0, 12, 6], 'wire/bad-length'],
  ])('refuses %s by its header alone', (_, header, code) => {
    expect(recorder().reader.push(Uint8Array.from(header))?.code).toBe(code)
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
