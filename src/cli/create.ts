/**
 * `shoal create`: writes a `.torrent` for files and folders.
 * Invariants: the file is written beside its place and put there whole, or not at all; no file
 * that is not an earlier `.torrent` of the same name is ever replaced among the content, and none
 * that is no `.torrent` anywhere; another torrent is replaced only where `--output` names it.
 */
import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { equalBytes, toHex } from '../base/bytes.ts'
import { redactText } from '../base/redact.ts'
import { withoutPasskey } from '../nodejs/catalog-client.ts'
import type { FoundContent } from '../nodejs/folder-walk.ts'
import { type CreatedMetainfo, createMetainfo } from '../nodejs/metainfo-creation.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { removeLeftovers, writeWhole } from '../nodejs/whole-file.ts'
import { formatMagnet } from '../wire/magnet.ts'
import { type Metainfo, parseMetainfo } from '../wire/metainfo.ts'
import type { CommandContext } from './command-context.ts'
import { tellExclusion } from './exclusion.ts'
import { HashingProgress } from './hashing-progress.ts'
import { readInputFile } from './input-file.ts'
import { readVersion } from './version.ts'

interface CreateOptions {
  readonly output?: string
  readonly name?: string
  readonly private?: boolean
  readonly comment?: string
  readonly webSeed?: readonly string[]
  readonly exclude?: readonly string[]
}

export async function run(context: CommandContext): Promise<number> {
  const { output, signal } = context
  const target = new OutputFile((context.options as CreateOptions).output)
  let made: CreatedMetainfo
  try {
    made = await create(context, target)
    signal.throwIfAborted()
  } catch (error) {
    if (!signal.aborted) throw error
    output.event({ event: 'stopped' }, 'stopped, nothing was written')
    return 1
  }
  for (const warning of made.warnings) output.warning(warning)
  warnIfUnreachable(context)
  warnOfSecrets(context)
  target.refuseAnother(made)
  writeWhole(target.path, made.bytes)
  if (context.settings.format === 'auto') output.text(`format ${made.reason}`)
  output.event({
    event: 'created',
    file: target.shown,
    name: made.name,
    infoHash: made.infoHashV1 && toHex(made.infoHashV1),
    infoHashV2: made.infoHashV2 && toHex(made.infoHashV2),
    pieceLength: made.pieceLength,
    pieces: made.pieceCount,
    files: made.fileCount,
    bytes: made.contentLength,
    magnet: magnetOf(made, context),
    skipped: made.skipped.length,
    format: made.format,
    reason: made.reason,
  })
  return 0
}

async function create(
  { args, options, settings, output, signal }: CommandContext,
  target: OutputFile,
): Promise<CreatedMetainfo> {
  const { name, private: isPrivate, comment, webSeed, exclude } = options as CreateOptions
  const progress = new HashingProgress(output, 'hashing')
  try {
    return await createMetainfo({
      paths: args,
      name,
      trackers: settings.useTracker ? settings.tracker : [],
      format: settings.format,
      pieceLength: settings.pieceLength === 'auto' ? undefined : settings.pieceLength,
      align: settings.align,
      private: isPrivate,
      comment,
      webSeeds: webSeed,
      excludes: exclude,
      createdBy: `Shoal ${readVersion().version}`,
      creationDate: Math.floor(Date.now() / 1000),
      outputFile: (torrentName) => target.resolve(torrentName),
      onFound: (content) => {
        target.refuseContent(content)
        tellExclusion(exclude, args, content, output)
        for (const { file, reason } of content.skipped)
          output.event({ event: 'skipped', file, reason }, `skipped ${file} (${reason})`)
      },
      onProgress: (bytes, total) => progress.show(bytes, total),
      signal,
      usesOwnThread: true,
    })
  } finally {
    progress.end()
  }
}

/** BEP 27: peers of a private torrent come from its trackers only. */
function warnIfUnreachable({ options, settings, output }: CommandContext): void {
  if (!(options as CreateOptions).private || (settings.useTracker && settings.tracker.length > 0)) return
  output.warning({
    code: 'create/private-without-tracker',
    message: 'a private torrent without a tracker: nobody will find its peers',
    hint: 'Give --tracker URL, or leave --private out.',
  })
}

/**
 * Who has the file has the passkey of whoever made it (S26). It stays: they named that address themselves.
 */
function warnOfSecrets({ settings, output }: CommandContext): void {
  if (!settings.useTracker || settings.tracker.every((url) => redactText(url) === url)) return
  output.warning({
    code: 'create/passkey-in-torrent',
    message: 'the .torrent has your passkey in the address of the tracker: whoever gets the file can use it',
    hint: 'Keep the file to yourself, or give --tracker the address without the passkey; `shoal share` leaves it out.',
  })
}

/** Not by way of `made.metainfo`: reading the file back takes a while where there are many files. */
function magnetOf(
  { infoHashV1, infoHashV2, name }: CreatedMetainfo,
  { settings, options }: CommandContext,
): string {
  const trackers = settings.useTracker ? settings.tracker.map(withoutPasskey) : []
  const webSeeds = (options as CreateOptions).webSeed ?? []
  return formatMagnet({
    infoHashV1,
    infoHashV2,
    name,
    trackers,
    webSeeds,
    exactSources: [],
    peers: [],
    selectOnly: [],
  })
}

/** Where the torrent goes: FILE, a folder to put NAME.torrent into, or NAME.torrent here. */
class OutputFile {
  readonly #given: string | undefined
  #path = ''
  /** The torrent that stands there already. */
  #replaced: Metainfo | undefined

  constructor(given: string | undefined) {
    this.#given = given
  }

  /** Absolute. */
  get path(): string {
    return path.resolve(this.#path)
  }

  /** As the user would say it. */
  get shown(): string {
    return this.#path
  }

  /** Fails before any work is done when the file cannot or must not be written. */
  resolve(torrentName: string): string {
    const given = this.#given ?? '.'
    const isFolder = statSync(given, { throwIfNoEntry: false })?.isDirectory() === true
    this.#path = isFolder ? path.join(given, `${torrentName}.torrent`) : given
    const folder = path.dirname(this.#path)
    try {
      accessSync(folder, constants.W_OK)
    } catch (cause) {
      throw new ShoalError(
        'create/bad-output',
        isThere(folder) ? `nothing can be written to ${folder}` : `the folder ${folder} does not exist`,
        'Choose another place with --output.',
        { cause },
      )
    }
    // It is no content, should it lie among it.
    removeLeftovers(this.path)
    const old = statSync(this.#path, { throwIfNoEntry: false })
    if (old !== undefined) this.#replaced = old.isFile() ? torrentIn(this.#path) : undefined
    if (old !== undefined && this.#replaced === undefined)
      throw this.#refusal('is there already and is no .torrent')
    return this.#path
  }

  /** A `.torrent` among the content may be content; only an earlier one of this very content is not. */
  refuseContent({ name, skipped }: FoundContent): void {
    const isAmongContent = skipped.some(({ reason }) => reason === 'output file')
    if (isAmongContent && this.#replaced?.name !== name)
      throw this.#refusal('is one of the files to be shared')
  }

  /** A name that nobody chose must not cost another library its torrent. */
  refuseAnother({ infoHashV1, infoHashV2 }: CreatedMetainfo): void {
    const old = this.#replaced
    if (this.#given !== undefined || old === undefined) return
    if (isSameHash(old.infoHashV1, infoHashV1) && isSameHash(old.infoHashV2, infoHashV2)) return
    throw this.#refusal(
      'is there already and is another torrent',
      `Replace it with --output ${this.#path}, or choose another --output or --name.`,
    )
  }

  #refusal(why: string, hint = 'Choose another place with --output, or move it away.'): ShoalError {
    return new ShoalError('create/output-exists', `${this.#path} ${why}`, hint)
  }
}

/** Undefined for anything that is not a torrent. */
function torrentIn(file: string): Metainfo | undefined {
  const parsed = parseMetainfo(readInputFile(file), nodeCrypto)
  return parsed.ok ? parsed.value : undefined
}

function isThere(folder: string): boolean {
  return statSync(folder, { throwIfNoEntry: false }) !== undefined
}

function isSameHash(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : equalBytes(a, b)
}
