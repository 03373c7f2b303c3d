/**
 * A whole tracker: its sockets, what it remembers, and its HTTP API, put together and taken apart. Whatever
 * is asked of the API finds its parts here.
 */
import { Registry } from 'prom-client'
import { CatalogService } from '../api/catalog-service.ts'
import { EventHub } from '../api/event-hub.ts'
import type { ApiServices } from '../api/services.ts'
import { openTrackerApi, type TrackerApi } from '../api/tracker-api.ts'
import { openStore } from '../nodejs/open-store.ts'
import { PayloadBook } from '../nodejs/payload-book.ts'
import type { Store } from '../nodejs/store.ts'
import { TrackerAccess } from '../nodejs/tracker-access.ts'
import { TrackerServer } from '../nodejs/tracker-server.ts'
import type { CommandContext } from './command-context.ts'
import type { Settings } from './settings.ts'
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
    const store = await openStore(settings.store, settings.trackerPort)
    try {
      const server = await TrackerServer.listen({
        ...trackerOptions(settings),
        onRequest: logsRequests(settings)
          ? (request) => output.event({ event: 'request', ...request })
          : undefined,
      })
      const services = await openServices(server, store, settings)
      server.guardAnnounces(services.access)
      const api = await openTrackerApi(services, {
        hosts: settings.apiHost,
        origins: settings.apiOrigin,
        onFailure: (error) => output.error(error),
      })
      server.serveOthers(api.handle)
      return new TrackerProgram(server, services, api)
    } catch (error) {
      await store.close()
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#api.close()
    await this.server.close()
    await this.services.store.close()
  }
}

/** The token of the operator stands beside the file of the store, unless another place was named. */
function openAccess({ mode, tokenFile }: Settings, store: Store): Promise<TrackerAccess> {
  const beside = store.description === 'memory' ? undefined : `${store.description}.token`
  return TrackerAccess.open({ mode, tokenFile: tokenFile === 'auto' ? beside : tokenFile }, store)
}

/** A line for every request is for those who asked for one: with a log file, or `--verbose tracker`. */
function logsRequests({ logFile, verbose }: Settings): boolean {
  return logFile !== 'off' || verbose.tracker > 0
}

async function openServices(tracker: TrackerServer, store: Store, settings: Settings): Promise<ApiServices> {
  const now = () => Date.now()
  return {
    version: readVersion().version,
    tracker,
    store,
    catalog: await CatalogService.open({ store, tracker, now, follows: new Set(settings.follow) }),
    payloads: await PayloadBook.open(store),
    access: await openAccess(settings, store),
    events: new EventHub(),
    metrics: new Registry(),
    now,
  }
}
