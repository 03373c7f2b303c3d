import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MseAnswerer, MseDialler, type MseOptions, rc4, sha1 } from '../../test/kit/mse-peer.ts'
import { concatBytes } from '../base/bytes.ts'
import { Prng } from '../base/prng.ts'
import { encodeHandshake } from '../wire/handshake.ts'
import {
  EncryptionHandshake,
  type IncomingSetup,
  PAD_LENGTH_MAX,
  STREAM_METHOD,
} from './encryption-handshake.ts'

const INFO_HASH = new Uint8Array(20).fill(0xab)
const BOTH = STREAM_METHOD.plain | STREAM_METHOD.rc4
const HELLO = encodeHandshake({
  infoHash: INFO_HASH,
  peerId: new Uint8Array(20).fill(7),
  supportsExtensions: true,
  supportsFast: true,
  supportsV2: false,
})

const prng = new Prng(1)
const setup = (methods: number = BOTH) => ({ sha1, random: (length: number) => prng.bytes(length), methods })

function accept(methods: number = BOTH, rest: Partial<IncomingSetup> = {}): EncryptionHandshake {
  return EncryptionHandshake.accept({
    ...setup(methods),
    allowsPlainPeers: methods !== STREAM_METHOD.rc4,
    findInfoHash: (hash) => (sha1('req2', INFO_HASH).equals(hash) ? INFO_HASH : undefined),
    ...rest,
  })
}

const offer = (methods: number = BOTH) =>
  EncryptionHandshake.offer({ ...setup(methods), infoHash: INFO_HASH, initial: HELLO })

/** Pushes the bytes in parts of these lengths, over and over. */
function pushCut(handshake: EncryptionHandshake, bytes: Uint8Array, lengths: number[]) {
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const end = at + lengths[i % lengths.length]!
    const failure = handshake.push(bytes.slice(at, end))
    if (failure !== undefined) return failure
    at = end
    if (handshake.outcome !== undefined) {
      const rest = bytes.slice(at)
      handshake.outcome.cipher?.decrypt(rest)
      return concatBytes([handshake.outcome.received, rest])
    }
  }
  return undefined
}

const lengths = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 })
const pad = fc.uint8Array({ maxLength: PAD_LENGTH_MAX })

/** A dialler of the specification against our answer; gives what we read of its stream. */
function dialled(ours: EncryptionHandshake, options: Partial<MseOptions>, initial: Uint8Array, cut = [1000]) {
  const dialler = new MseDialler({ infoHash: INFO_HASH, ...options })
  expect(pushCut(ours, dialler.hello(), cut)).toBeUndefined()
  const first = ours.takeOutput()!
  const bytes = dialler.offer(first, initial)!
  const read = pushCut(ours, bytes, cut)
  return { dialler, first, read }
}

describe('who is dialled', () => {
  it('agrees with a dialler of the specification, whatever the pads and the fragments', () => {
    fc.assert(
      fc.property(
        pad,
        pad,
        fc.uint8Array({ maxLength: 3000 }),
        fc.integer({ min: 1, max: 3 }),
        lengths,
        (padA, padC, initial, methods, cut) => {
          const ours = accept()
          const { dialler, first, read } = dialled(
            ours,
            { methods, pad: padA, padInside: padC },
            initial,
            cut,
          )
          expect(read).toEqual(new Uint8Array(initial))
          const agreed = dialler.agreed(concatBytes([first, ours.takeOutput()!]))!
          expect(agreed.methods).toBe(methods === 3 ? STREAM_METHOD.plain : methods)
          const theirs = Buffer.from('their stream goes on')
          const sent = new Uint8Array(agreed.encrypt(theirs))
          ours.outcome!.cipher?.decrypt(sent)
          expect(Buffer.from(sent)).toEqual(theirs)
          const mine = new Uint8Array(Buffer.from('and so does ours'))
          ours.outcome!.cipher?.encrypt(mine)
          expect(agreed.decrypt(mine).toString()).toBe('and so does ours')
        },
      ),
      { numRuns: 60 },
    )
  })

  it('reads what follows the initial payload in the same write, by the method selected', () => {
    for (const methods of [STREAM_METHOD.plain, STREAM_METHOD.rc4]) {
      const ours = accept()
      const dialler = new MseDialler({ infoHash: INFO_HASH, methods })
      ours.push(dialler.hello())
      const first = ours.takeOutput()!
      const bytes = dialler.offer(first, HELLO)!
      // The rest of the stream cannot be known to be RC4 before the answer, but may be
      // when it was the only offer.
      const cipher = rc4Of(dialler, first)
      const after = methods === STREAM_METHOD.rc4 ? cipher(HELLO.length) : Buffer.from('after')
      ours.push(concatBytes([bytes, after]))
      expect(Buffer.from(ours.outcome!.received)).toEqual(Buffer.concat([HELLO, Buffer.from('after')]))
    }

    /** `after` as the dialler's key stream has it behind the offer. */
    function rc4Of(dialler: MseDialler, first: Uint8Array) {
      const secret = (dialler as unknown as { secret: (bytes: Uint8Array) => Buffer }).secret(first)
      return (initialLength: number) => {
        const stream = rc4(sha1('keyA', secret, INFO_HASH))
        stream(new Uint8Array(8 + 4 + 2 + 2 + initialLength))
        return stream(Buffer.from('after'))
      }
    }
  })

  it('knows a peer without encryption by its first bytes', () => {
    fc.assert(
      fc.property(lengths, (cut) => {
        const ours = accept()
        expect(Buffer.from(pushCut(ours, HELLO, cut) as Uint8Array)).toEqual(Buffer.from(HELLO))
        expect(ours.outcome!.cipher).toBeUndefined()
        expect(ours.takeOutput()).toBeUndefined()
      }),
      { numRuns: 30 },
    )
  })

  it('takes a key that begins like a plain handshake for a key', () => {
    const ours = accept()
    expect(ours.push(HELLO.subarray(0, 19))).toBeUndefined()
    expect(ours.push(new Uint8Array(76))).toBeUndefined()
    expect(ours.takeOutput()).toBeUndefined()
    expect(ours.push(new Uint8Array(1).fill(2))).toBeUndefined()
    expect(ours.takeOutput()!.length).toBeGreaterThanOrEqual(96)
  })

  it('when encryption is required sends away who offers less', () => {
    expect(accept(STREAM_METHOD.rc4).push(HELLO)).toBe('not-encrypted')
    expect(accept(STREAM_METHOD.rc4).push(HELLO.subarray(0, 19))).toBeUndefined()
    expect(dialled(accept(STREAM_METHOD.rc4), { methods: 1 }, HELLO).read).toBe('not-encrypted')
    const ours = accept(STREAM_METHOD.rc4)
    expect(dialled(ours, { methods: 3 }, HELLO).read).toEqual(HELLO)
    expect(ours.outcome!.cipher).toBeDefined()
  })

  it('sends away who offers nothing it knows', () => {
    expect(dialled(accept(), { methods: 4 }, HELLO).read).toBe('not-encrypted')
    expect(dialled(accept(), { methods: 0 }, HELLO).read).toBe('not-encrypted')
  })

  it('sends away who names a torrent it does not have', () => {
    const infoHash = new Uint8Array(20).fill(1)
    expect(dialled(accept(), { infoHash }, HELLO).read).toBe('unknown-torrent')
  })

  it('sends away who cannot prove that it has the secret', () => {
    expect(dialled(accept(), { vc: Buffer.alloc(8, 1) }, HELLO).read).toBe('not-bittorrent')
  })

  it('sends away who pads too much, or says so', () => {
    expect(dialled(accept(), { pad: new Uint8Array(PAD_LENGTH_MAX) }, HELLO).read).toEqual(HELLO)
    const ours = accept()
    const dialler = new MseDialler({ infoHash: INFO_HASH, pad: new Uint8Array(PAD_LENGTH_MAX + 1) })
    ours.push(dialler.hello())
    expect(ours.push(dialler.offer(ours.takeOutput()!, HELLO)!)).toBe('not-bittorrent')
    expect(dialled(accept(), { padInsideLength: 513 }, HELLO).read).toBe('not-bittorrent')
  })

  it('computes no key when there were too many, and none before it has a whole one', () => {
    const ours = accept()
    const asked: number[] = []
    const never = () => {
      asked.push(asked.length)
      return false
    }
    expect(ours.push(new Uint8Array(95).fill(9), never)).toBeUndefined()
    expect(asked).toEqual([])
    expect(ours.push(new Uint8Array(1), never)).toBe('too-many-peers')
    expect(ours.takeOutput()).toBeUndefined()
  })

  it('ends garbage after at most a key, a pad and a hash', () => {
    fc.assert(
      fc.property(lengths, fc.integer(), (cut, seed) => {
        const garbage = new Prng(seed).bytes(20_000)
        const ours = accept()
        let taken = 0
        for (let i = 0; taken < garbage.length; i++) {
          const end = taken + cut[i % cut.length]!
          const failure = ours.push(garbage.slice(taken, end))
          if (failure !== undefined) break
          taken = end
        }
        expect(taken).toBeLessThan(96 + PAD_LENGTH_MAX + 20)
      }),
      { numRuns: 30 },
    )
  })

  it('sends away a key that fixes the secret', () => {
    expect(accept().push(new Uint8Array(96))).toBe('not-bittorrent')
  })
})

describe('who dials', () => {
  /** An answer of the specification to our dial. */
  function answered(options: Partial<MseOptions>, methods: number, rest: Uint8Array, cut = [1000]) {
    const ours = offer(methods)
    const answerer = new MseAnswerer({ infoHash: INFO_HASH, ...options })
    const first = ours.takeOutput()!
    expect(pushCut(ours, answerer.hello(), cut)).toBeUndefined()
    const { bytes, agreed, provided } = answerer.answer(concatBytes([first, ours.takeOutput()!]))!
    const read = pushCut(ours, concatBytes([bytes, agreed.encrypt(rest)]), cut)
    return { ours, read, agreed, provided }
  }

  it('agrees with an answer of the specification, whatever the pads and the fragments', () => {
    fc.assert(
      fc.property(
        pad,
        pad,
        fc.uint8Array({ maxLength: 500 }),
        fc.constantFrom(STREAM_METHOD.plain, STREAM_METHOD.rc4),
        lengths,
        (padB, padD, rest, methods, cut) => {
          const { ours, read, agreed, provided } = answered(
            { methods, pad: padB, padInside: padD },
            BOTH,
            rest,
            cut,
          )
          expect(provided).toBe(BOTH)
          expect(agreed.received).toEqual(Buffer.from(HELLO))
          expect(Buffer.from(read as Uint8Array)).toEqual(Buffer.from(rest))
          expect(ours.outcome!.cipher === undefined).toBe(methods === STREAM_METHOD.plain)
          const mine = new Uint8Array(Buffer.from('our stream goes on'))
          ours.outcome!.cipher?.encrypt(mine)
          expect(agreed.decrypt(mine).toString()).toBe('our stream goes on')
        },
      ),
      { numRuns: 60 },
    )
  })

  it('offers RC4 alone when encryption is required, and takes nothing else', () => {
    const { provided, read } = answered({ methods: 1 }, STREAM_METHOD.rc4, HELLO)
    expect(provided).toBe(STREAM_METHOD.rc4)
    expect(read).toBe('not-encrypted')
  })

  it.each([0, 3, 4])('takes no selection that is not one method (%i)', (methods) => {
    expect(answered({ methods }, BOTH, HELLO).read).toBe('not-bittorrent')
  })

  it('ends an answer without the proof, and one that pads too much', () => {
    expect(answered({ vc: Buffer.alloc(8, 1) }, BOTH, new Uint8Array(600)).read).toBe('not-bittorrent')
    expect(answered({ pad: new Uint8Array(513) }, BOTH, HELLO).read).toBe('not-bittorrent')
    expect(answered({ pad: new Uint8Array(512) }, BOTH, HELLO).read).toEqual(HELLO)
    expect(answered({ padInsideLength: 513 }, BOTH, HELLO).read).toBe('not-bittorrent')
  })

  it('hides the length of its messages: pads differ', () => {
    const sizes = new Set(Array.from({ length: 20 }, () => offer().takeOutput()!.length))
    expect(sizes.size).toBeGreaterThan(10)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(96 + PAD_LENGTH_MAX)
  })
})

it('the two sides of our own agree', () => {
  for (const [mine, yours] of [
    [BOTH, BOTH],
    [BOTH, STREAM_METHOD.rc4],
    [STREAM_METHOD.rc4, BOTH],
  ]) {
    const [a, b] = [offer(mine), accept(yours)]
    b.push(a.takeOutput()!)
    a.push(b.takeOutput()!)
    b.push(a.takeOutput()!)
    a.push(b.takeOutput()!)
    expect(b.outcome!.received).toEqual(HELLO)
    const isPlain = mine === BOTH && yours === BOTH
    expect([a, b].map((side) => side.outcome!.cipher === undefined)).toEqual([isPlain, isPlain])
  }
})
