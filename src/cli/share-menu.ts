/**
 * The menu of a running `shoal share`: `R` lists the tracker's catalog, a number fetches that library into
 * the folder of what is shared, so that it is served from there as well; `Q` leaves, as everywhere.
 * Anything else is refused, and the menu asks again. One thing is done at a time.
 */
import type { PeerNode } from '../nodejs/peer-node.ts'
import { metainfoOfMagnet } from '../swarm/magnet-torrent.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { openCatalog, torrentOf } from './catalog-source.ts'
import type { CommandContext } from './command-context.ts'
import type { ConsoleWord } from './console-words.ts'
import { showLibraries } from './ls.ts'
import { asShoalError } from './output.ts'
import { addTorrent, type TorrentPlan } from './peer-run.ts'

export const MENU_TEXT = 'number of a library to get it, [R] reload the list, [Q] leave'

export class ShareMenu {
  readonly #context: CommandContext
  readonly #node: PeerNode
  readonly #dir: string
  /** Ends when the thing that is being done is done. */
  #doing: Promise<void> = Promise.resolve()
  /** Numbers chosen before. Bounded by what a person types. */
  readonly #chosen = new Set<string>()

  /** @param dir where fetched libraries go */
  constructor(context: CommandContext, node: PeerNode, dir: string) {
    this.#context = context
    this.#node = node
    this.#dir = dir
  }

  get words(): readonly ConsoleWord[] {
    const run = () => this.#do(() => this.#reload())
    return ['R', 'r'].map((word) => ({ word, about: 'reload the list of libraries', run }))
  }

  /** A number, or what is taken for a wrong one. */
  choose(line: string): boolean {
    this.#do(() => this.#get(line))
    return true
  }

  #do(work: () => Promise<void>): void {
    const { output, signal } = this.#context
    this.#doing = this.#doing.then(async () => {
      if (signal.aborted) return
      try {
        await work()
      } catch (error) {
        output.warning(asShoalError(error))
      }
      output.event({ event: 'menu' }, MENU_TEXT)
    })
  }

  async #reload(): Promise<void> {
    const { settings, output } = this.#context
    const catalog = openCatalog(settings)
    showLibraries(await catalog.list({ limit: 100 }), output, catalog.base)
  }

  async #get(line: string): Promise<void> {
    const { settings, output } = this.#context
    const isNumber = /^\d{1,15}$/.test(line)
    const catalog = openCatalog(settings)
    const library = isNumber && !this.#chosen.has(line) ? await catalog.find(line) : undefined
    if (library === undefined) {
      const reason = this.#chosen.has(line)
        ? 'is here already'
        : isNumber
          ? 'is not in the list'
          : 'is no number'
      return output.event({ event: 'choice-refused', choice: line, reason }, `${line} ${reason}`)
    }
    this.#chosen.add(line)
    const source = await torrentOf(catalog, library, this.#context)
    const plan = (metainfo: Metainfo): TorrentPlan => ({ metainfo, dir: this.#dir, role: 'download' })
    const torrent =
      'files' in source
        ? plan(source)
        : { magnet: { metainfo: metainfoOfMagnet(source), peers: source.peers }, dir: this.#dir, plan }
    output.event(
      { event: 'chosen', number: library.number, name: library.record.name },
      `getting ${library.record.name}`,
    )
    // It goes on beside the menu.
    addTorrent(this.#context, this.#node, torrent, [], false)
      .then((task) => task.failed)
      .catch((error: unknown) => output.warning(asShoalError(error)))
  }
}
