/**
 * The key with which this user's libraries are signed: made when it is first needed, kept in one file that
 * only its owner may read. Whoever has the file can speak in this publisher's name.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { LIMITS } from '../base/limits.ts'
import { ShoalError } from './shoal-error.ts'

const OWNER_ONLY = 0o600
const FOLDER_OWNER_ONLY = 0o700

export interface PublisherKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  sign(message: Uint8Array): Uint8Array
}

/** Throws ShoalError `catalog/bad-key`. */
export function loadPublisherKey(file = publisherKeyFile()): PublisherKey {
  const privateKey = readKey(file) ?? makeKey(file)
  if (privateKey.asymmetricKeyType !== 'ed25519') throw badKey(file)
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' })
  return {
    publicKey: new Uint8Array(Buffer.from(x!, 'base64url')),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  }
}

/** `$XDG_DATA_HOME/shoal/publisher.pem`, else in `~/.local/share`. */
export function publisherKeyFile(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const data = environment.XDG_DATA_HOME || join(homedir(), '.local', 'share')
  return join(data, 'shoal', 'publisher.pem')
}

/** Public keys as Node.js wants them, for those seen last. Bounded by catalogPerPublisherMax. */
const keys = new Map<string, KeyObject>()

/** @param key 32 bytes; whatever it holds, nothing is thrown */
export function verifyPublisher(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const x = Buffer.from(key).toString('base64url')
  try {
    let known = keys.get(x)
    if (known === undefined) {
      known = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
      if (keys.size >= LIMITS.catalogPerPublisherMax.value) keys.clear()
      keys.set(x, known)
    }
    return verify(null, message, known, signature)
  } catch {
    return false
  }
}

function readKey(file: string): KeyObject | undefined {
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw badKey(file, error)
  }
  try {
    return createPrivateKey(pem)
  } catch (error) {
    throw badKey(file, error)
  }
}

/** Of two programs that make it at once, the second reads what the first has written. */
function makeKey(file: string): KeyObject {
  const { privateKey } = generateKeyPairSync('ed25519')
  try {
    mkdirSync(dirname(file), { recursive: true, mode: FOLDER_OWNER_ONLY })
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: OWNER_ONLY, flag: 'wx' })
    chmodSync(file, OWNER_ONLY)
    return privateKey
  } catch (error) {
    const other = (error as NodeJS.ErrnoException).code === 'EEXIST' ? readKey(file) : undefined
    if (other) return other
    throw badKey(file, error)
  }
}

function badKey(file: string, cause?: unknown): ShoalError {
  return new ShoalError(
    'catalog/bad-key',
    `${file} cannot be used as the key of a publisher`,
    'Put the right file there, or move it away so that a new key is made.',
    { cause },
  )
}
