/**
 * What V8 has compiled of the program is kept between runs, in `$XDG_CACHE_HOME/shoal/compiled`, else in
 * `~/.cache`: without it a fourth of a short `get` goes into compiling the same again
 * (docs/decisions/0021-functions-kept.md). Node.js keeps what it loads, which is packages; the
 * parts of the bundle are kept here, with all functions that ran, in one file for each command.
 * It is code that will run, so it is taken only from a folder that nobody else can write to.
 * Invariants: a file is there whole, or is taken for none; code is used for the text it was compiled from.
 */
import { hash } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { keepNewestFiles } from '../nodejs/newest-files.ts'

/** Of each version of Node.js: a tracker with all its packages has 1,100. Each build leaves some behind. */
const FILES_MAX = 5000
/** Of ours, each of which has about 1 MB: one for each command of each installed program. */
const OWN_FILES_MAX = 40
const OWN_FOLDER = 'parts'
/** In one file; more than the bundle has. */
const PARTS_MAX = 64
const OTHERS_CAN_WRITE = 0o022
/**
 * A file is the digest of all that follows, the length of the list of parts (32 bits), the list, their code.
 */
const DIGEST_LENGTH = 20
const HEAD_LENGTH = DIGEST_LENGTH + 4

interface KeptPart {
  /** Of the text, in hex. */
  readonly digest: string
  readonly code: Buffer
}

/**
 * @returns the folder; undefined when nothing is to be kept, or nothing can be. Before
 * anything large is loaded.
 */
export function keepCompiledCode(environment: NodeJS.ProcessEnv): string | undefined {
  // Who set one of these has another place for it, or wants none.
  if (environment.NODE_COMPILE_CACHE || environment.NODE_DISABLE_COMPILE_CACHE) return undefined
  try {
    const home = environment.XDG_CACHE_HOME || join(homedir(), '.cache')
    if (!isAbsolute(home)) return undefined
    const ours = join(home, 'shoal')
    const folder = join(ours, 'compiled')
    mkdirSync(join(folder, OWN_FOLDER), { recursive: true, mode: 0o700 })
    // Who can write to the upper one can put another in place of the lower.
    if (![ours, folder, join(folder, OWN_FOLDER)].every(isOursAlone)) return undefined
    enableCompileCache(folder)
    return folder
  } catch {
    // Without a home, or on a full disk, the program starts a little later.
    return undefined
  }
}

/** A real folder of this user, which nobody else can write to. */
function isOursAlone(folder: string): boolean {
  const stat = lstatSync(folder)
  const isOurs = stat.isDirectory() && stat.uid === process.geteuid?.()
  return isOurs && (stat.mode & OTHERS_CAN_WRITE) === 0
}

/** What one command of one bundle has compiled. */
export class CompiledParts {
  readonly #folder: string
  readonly #file: string
  readonly #kept: Map<string, KeptPart>

  /**
   * @param folder as `keepCompiledCode` gives it
   * @param bundle the folder of the parts
   */
  constructor(folder: string, bundle: string, command: string) {
    this.#folder = folder
    const place = hash('sha1', `${bundle} ${process.version}`).slice(0, 8)
    this.#file = join(folder, OWN_FOLDER, `${command}-${place}`)
    this.#kept = readKept(this.#file)
  }

  /** V8's code for this text. V8 itself refuses what it made in another version, or with other flags. */
  codeOf(part: string, text: Uint8Array): Buffer | undefined {
    const kept = this.#kept.get(part)
    return kept !== undefined && kept.digest === hash('sha1', text) ? kept.code : undefined
  }

  /** Adds to what is kept. Where it cannot be written nothing changes. */
  keep(parts: Iterable<{ readonly name: string; readonly text: Uint8Array; readonly code: Buffer }>): void {
    for (const { name, text, code } of parts) {
      this.#kept.delete(name)
      this.#kept.set(name, { digest: hash('sha1', text), code })
    }
    const kept = [...this.#kept].slice(-PARTS_MAX)
    const list = JSON.stringify(kept.map(([name, { digest, code }]) => [name, digest, code.length]))
    const listLength = Buffer.alloc(4)
    listLength.writeUInt32LE(Buffer.byteLength(list))
    const body = Buffer.concat([listLength, Buffer.from(list), ...kept.map(([, { code }]) => code)])
    const unfinished = `${this.#file}.${process.pid}`
    try {
      writeFileSync(unfinished, Buffer.concat([hash('sha1', body, 'buffer'), body]), {
        mode: 0o600,
        flag: 'wx',
      })
      renameSync(unfinished, this.#file)
      for (const inner of readdirSync(this.#folder))
        keepNewestFiles(join(this.#folder, inner), inner === OWN_FOLDER ? OWN_FILES_MAX : FILES_MAX)
    } catch {
      remove(unfinished)
    }
  }
}

function remove(file: string): void {
  try {
    rmSync(file, { force: true })
  } catch {
    // Where nothing can be removed nothing was written.
  }
}

/** Nothing, where the file is not as it was written. */
function readKept(file: string): Map<string, KeptPart> {
  const kept = new Map<string, KeptPart>()
  try {
    const bytes = readFileSync(file)
    if (!bytes.subarray(0, DIGEST_LENGTH).equals(hash('sha1', bytes.subarray(DIGEST_LENGTH), 'buffer')))
      return kept
    let at = HEAD_LENGTH + bytes.readUInt32LE(DIGEST_LENGTH)
    const list = JSON.parse(bytes.toString('utf8', HEAD_LENGTH, at)) as [string, string, number][]
    for (const [name, digest, length] of list) {
      kept.set(name, { digest, code: bytes.subarray(at, at + length) })
      at += length
    }
    return kept
  } catch {
    // Most likely there is none.
    return new Map()
  }
}
