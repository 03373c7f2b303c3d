/**
 * The bundle's own beginning: loads the parts it is cut into (`scripts/bundle.ts`), with what V8 compiled of
 * them in earlier runs, functions included. Node's own loader keeps only what is compiled when a file is
 * loaded, and most functions are compiled when they are first called.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cachedDataVersionTag } from 'node:v8'
import { Script } from 'node:vm'
import { CompiledParts, keepCompiledCode } from './compiled-code.ts'

/** A command has started by then: what it needs for that has run. It may be ended hard later. */
const STARTED_MS = 3000
/** Whatever else comes first, as `--version`, ends soon. */
const COMMAND = /^[a-z]{1,20}$/

type Exports = Record<string, unknown>
type Require = (id: string) => unknown
type Body = (exports: Exports, require: Require, later: (id: string) => Promise<unknown>, url: string) => void

interface Part {
  readonly name: string
  readonly text: Buffer
  readonly script: Script
}

/** As `entry.ts` has it, loaded from the bundle. */
export function start(argv: readonly string[]): Promise<void> {
  const loader = new PartLoader(import.meta.dirname, argv[0] ?? '')
  const program = loader.load('program.cjs') as typeof import('./entry.ts')
  return program.start(argv, (asBegun) => {
    const keep = () => asBegun(() => loader.keep())
    setTimeout(keep, STARTED_MS).unref()
    process.once('exit', keep)
  })
}

class PartLoader {
  readonly #bundle: string
  readonly #compiled: CompiledParts | undefined
  /** For packages. */
  readonly #require: Require
  readonly #exports = new Map<string, Exports>()
  readonly #parts: Part[] = []
  /** V8's for its version and flags; what is compiled with other flags does not fit the next start. */
  readonly #tag = cachedDataVersionTag()
  /** Some of the parts were compiled in this run. */
  #isNews = false
  #isKept = false

  constructor(bundle: string, command: string) {
    this.#bundle = bundle
    const folder = COMMAND.test(command) ? keepCompiledCode(process.env) : undefined
    if (folder !== undefined) this.#compiled = new CompiledParts(folder, bundle, command)
    this.#require = createRequire(join(bundle, 'program.cjs'))
  }

  load(name: string): Exports {
    const loaded = this.#exports.get(name)
    if (loaded !== undefined) return loaded
    const exports: Exports = {}
    this.#exports.set(name, exports)
    const filename = join(this.#bundle, name)
    // ASCII, as the bundle is written.
    const text = readFileSync(filename)
    const cachedData = this.#compiled?.codeOf(name, text)
    const script = new Script(text.toString('latin1'), { filename, ...(cachedData && { cachedData }) })
    if (cachedData === undefined || script.cachedDataRejected) this.#isNews = true
    if (this.#compiled !== undefined && !this.#isKept) this.#parts.push({ name, text, script })
    const body = script.runInThisContext() as Body
    const require = (id: string) => (id.startsWith('./') ? this.load(id.slice(2)) : this.#require(id))
    body(exports, require, async (id) => require(id), pathToFileURL(filename).href)
    return exports
  }

  /** Once, so that nothing is written time and again for a part that is needed late. */
  keep(): void {
    if (this.#isKept) return
    this.#isKept = true
    if (this.#isNews && cachedDataVersionTag() === this.#tag)
      this.#compiled?.keep(
        this.#parts.map(({ name, text, script }) => ({ name, text, code: script.createCachedData() })),
      )
    this.#parts.length = 0
  }
}
