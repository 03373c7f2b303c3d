/**
 * A whole tracker: its sockets, what it remembers, and its HTTP API, put together and taken apart. Whatever
 * is asked of the API finds its parts here.
 */
import { Registry } from 'prom-client'
import { CatalogService } from '../api/catalog-service.ts'
import { EventHub } from '../api/event-hub.ts'
import type { ApiServices } from '../api/services.ts'
import { openTrackerApi, type TrackerApi } from '../api/tracker-api.ts'
import { MemoryStore } from '../nodejs/memory-store.ts'
import { openStore } from '../nodejs/open-store.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { Store } from '../nodejs/store.ts'
import { TrackerServer } from '../nodejs/tracker-server.ts'
import type { CommandContext } from './command-context.ts'
import { trackerOptions } from './tracker-options.ts'
import { readVersion } from './version.ts'

export class TrackerProgram {
  readonly server: TrackerServer
  readonly services: ApiServices
  readonly #api: TrackerApi

  private constructor(server: TrackerServer, services: ApiServices, api: TrackerApi) {
    this.server = server
    this.services = services
    this.#api = api
  }

  /** Throws ShoalError `listen/…`, `store/…`, `tracker/…`. */
  static async start({
    settings,
    output,
  }: Pick<CommandContext, 'settings' | 'output'>): Promise<TrackerProgram> {
    const server = await TrackerServer.listen({
      ...trackerOptions(settings),
      onRequest: logsRequests(settings)
        ? (request) => output.event({ event: 'request', ...request })
        : undefined,
    })
    let store: Store | undefined
    try {
      store = await openOrForget(settings, output)
      const services = await openServices(server, store, new Set(settings.follow))
      const api = await openTrackerApi(services, {
        hosts: settings.apiHost,
        origins: settings.apiOrigin,
        onFailure: (error) => output.error(error),
      })
      server.serveOthers(api.handle)
      return new TrackerProgram(server, services, api)
    } catch (error) {
      await server.close()
      await store?.close()
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#api.close()
    await this.server.close()
    await this.services.store.close()
  }
}

/** Where nobody named a store and the data folder cannot be written, a tracker still runs. */
async function openOrForget(
  { store, trackerPort }: CommandContext['settings'],
  output: CommandContext['output'],
): Promise<Store> {
  try {
    return await openStore(store, trackerPort, (error) => output.error(error))
  } catch (error) {
    if (store !== 'auto' || !(error instanceof ShoalError) || error.code !== 'store/cannot-open') throw error
    output.warning({ code: error.code, message: `${error.message}; it is kept in memory`, hint: error.hint })
    return new MemoryStore()
  }
}

/** A line for every request is for those who asked for one: with a log file, or `--verbose tracker`. */
function logsRequests({ logFile, verbose }: CommandContext['settings']): boolean {
  return logFile !== 'off' || verbose.tracker > 0
}

async function openServices(
  tracker: TrackerServer,
  store: Store,
  follows: ReadonlySet<string>,
): Promise<ApiServices> {
  const now = () => Date.now()
  return {
    version: readVersion().version,
    tracker,
    store,
    catalog: await CatalogService.open({ store, tracker, now, follows }),
    events: new EventHub(),
    metrics: new Registry(),
    now,
  }
}
