/**
 * The other side of message stream encryption, written from the specification with nothing of the product:
 * Diffie-Hellman by node:crypto, RC4 out of the textbook. A script more than a machine: each step is given
 * everything that was received so far, and undefined says that more has to come.
 */
import { createDiffieHellman, createHash, type DiffieHellman } from 'node:crypto'

const PRIME = Buffer.from(
  'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd' +
    'ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563',
  'hex',
)
const VC = Buffer.alloc(8)

export interface MseOptions {
  infoHash: Uint8Array
  /** crypto_provide of who dials, crypto_select of who answers. Default 3 and 2. */
  methods?: number
  /** The pad after the key. */
  pad?: Uint8Array
  /** PadC or PadD. */
  padInside?: Uint8Array
  /** Default eight zeros. */
  vc?: Uint8Array
  /** What len(PadC) or len(PadD) says, when it lies. */
  padInsideLength?: number
}

export interface Agreed {
  /** crypto_select, or crypto_provide of the one who dialled. */
  methods: number
  /** The other side's stream so far, in clear. */
  received: Buffer
  encrypt: (bytes: Uint8Array) => Buffer
  decrypt: (bytes: Uint8Array) => Buffer
}

export function sha1(...parts: (string | Uint8Array)[]): Buffer {
  const hash = createHash('sha1')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** The key stream after the first 1024 bytes, added to whatever it is given. */
export function rc4(key: Uint8Array, dropped = 1024): (bytes: Uint8Array) => Buffer {
  const s = Array.from({ length: 256 }, (_, i) => i)
  let j = 0
  for (let i = 0; i < 256; i++) {
    j = (j + (s[i] as number) + (key[i % key.length] as number)) % 256
    ;[s[i], s[j]] = [s[j] as number, s[i] as number]
  }
  let x = 0
  let y = 0
  const next = () => {
    x = (x + 1) % 256
    y = (y + (s[x] as number)) % 256
    ;[s[x], s[y]] = [s[y] as number, s[x] as number]
    return s[((s[x] as number) + (s[y] as number)) % 256] as number
  }
  for (let i = 0; i < dropped; i++) next()
  return (bytes) => Buffer.from(bytes).map((byte) => byte ^ next()) as Buffer
}

class MseSide {
  protected readonly options: MseOptions
  protected readonly dh: DiffieHellman = createDiffieHellman(PRIME, 2)

  constructor(options: MseOptions) {
    this.options = options
    this.dh.generateKeys()
  }

  /** The key and the pad after it. */
  hello(): Buffer {
    return Buffer.concat([padded(this.dh.getPublicKey()), this.options.pad ?? Buffer.alloc(0)])
  }

  protected secret(received: Uint8Array): Buffer | undefined {
    return received.length < 96 ? undefined : padded(this.dh.computeSecret(received.subarray(0, 96)))
  }

  protected pads(): Buffer {
    const pad = this.options.padInside ?? Buffer.alloc(0)
    return Buffer.concat([uint16(this.options.padInsideLength ?? pad.length), pad])
  }
}

/** Who dials. */
export class MseDialler extends MseSide {
  #encrypt: ((bytes: Uint8Array) => Buffer) | undefined
  #secret: Buffer | undefined

  /** After the other side's key: the offer, with the first bytes of the stream. */
  offer(received: Uint8Array, initial: Uint8Array): Buffer | undefined {
    const secret = this.secret(received)
    if (secret === undefined) return undefined
    this.#secret = secret
    const { infoHash, methods = 3, vc = VC } = this.options
    const encrypt = rc4(sha1('keyA', secret, infoHash))
    this.#encrypt = encrypt
    const named = xor(sha1('req2', infoHash), sha1('req3', secret))
    const body = [vc, uint32(methods), this.pads(), uint16(initial.length), initial]
    return Buffer.concat([sha1('req1', secret), named, encrypt(Buffer.concat(body))])
  }

  agreed(received: Uint8Array): Agreed | undefined {
    const decrypt = rc4(sha1('keyB', this.#secret as Buffer, this.options.infoHash))
    const at = Buffer.from(received).indexOf(decrypt(VC), 96)
    if (at < 0 || received.length < at + 14) return undefined
    const head = decrypt(received.subarray(at + 8, at + 14))
    const padEnd = at + 14 + head.readUInt16BE(4)
    if (received.length < padEnd) return undefined
    decrypt(received.subarray(at + 14, padEnd))
    return agreed(head.readUInt32BE(0), received.subarray(padEnd), this.#encrypt as typeof decrypt, decrypt)
  }
}

/** Who is dialled. */
export class MseAnswerer extends MseSide {
  /** After the other side's offer: the selection to send, and the stream that follows. */
  answer(received: Uint8Array): { bytes: Buffer; agreed: Agreed; provided: number } | undefined {
    const secret = this.secret(received)
    if (secret === undefined) return undefined
    const { infoHash, methods = 2, vc = VC } = this.options
    const at = Buffer.from(received).indexOf(sha1('req1', secret), 96)
    if (at < 0 || received.length < at + 54) return undefined
    const named = xor(received.subarray(at + 20, at + 40), sha1('req3', secret))
    if (!named.equals(sha1('req2', infoHash))) throw new Error('another torrent is asked for')
    const decrypt = rc4(sha1('keyA', secret, infoHash))
    const head = decrypt(received.subarray(at + 40, at + 54))
    if (!head.subarray(0, 8).equals(VC)) throw new Error('wrong VC')
    const padEnd = at + 54 + head.readUInt16BE(12)
    if (received.length < padEnd + 2) return undefined
    decrypt(received.subarray(at + 54, padEnd))
    const length = decrypt(received.subarray(padEnd, padEnd + 2)).readUInt16BE(0)
    const end = padEnd + 2 + length
    if (received.length < end) return undefined
    const initial = decrypt(received.subarray(padEnd + 2, end))
    const encrypt = rc4(sha1('keyB', secret, infoHash))
    const bytes = encrypt(Buffer.concat([vc, uint32(methods), this.pads()]))
    const result = agreed(methods, received.subarray(end), encrypt, decrypt)
    result.received = Buffer.concat([initial, result.received])
    return { bytes, agreed: result, provided: head.readUInt32BE(8) }
  }
}

function agreed(
  methods: number,
  rest: Uint8Array,
  encrypt: (bytes: Uint8Array) => Buffer,
  decrypt: (bytes: Uint8Array) => Buffer,
): Agreed {
  const same = (bytes: Uint8Array) => Buffer.from(bytes)
  const isPlain = methods === 1
  const open = isPlain ? same : decrypt
  return { methods, received: open(rest), encrypt: isPlain ? same : encrypt, decrypt: open }
}

function padded(key: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(96 - key.length), key])
}

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ (b[i] as number)))
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255])
}

function uint32(value: number): Buffer {
  return Buffer.concat([uint16(value >>> 16), uint16(value & 0xffff)])
}
