/**
 * A whole tracker: its sockets, what it remembers, and its HTTP API, put together and taken apart. Whatever
 * is asked of the API finds its parts here.
 */
import { Registry } from 'prom-client'
import { EventHub } from '../api/event-hub.ts'
import type { ApiServices } from '../api/services.ts'
import { openTrackerApi, type TrackerApi } from '../api/tracker-api.ts'
import type { Store } from '../nodejs/store.ts'
import { TrackerServer } from '../nodejs/tracker-server.ts'
import { openTrackerState, type TrackerState } from '../nodejs/tracker-state.ts'
import { TRACKER_DEFAULTS } from '../tracker/announce-policy.ts'
import type { CommandContext } from './command-context.ts'
import { trackerOptions } from './tracker-options.ts'
import { readVersion } from './version.ts'

export class TrackerProgram {
  readonly server: TrackerServer
  readonly services: ApiServices
  readonly #api: TrackerApi
  readonly #state: TrackerState

  private constructor(server: TrackerServer, services: ApiServices, api: TrackerApi, state: TrackerState) {
    this.server = server
    this.services = services
    this.#api = api
    this.#state = state
  }

  /** Throws ShoalError `listen/…`, `store/…`, `tracker/…`. */
  static async start({
    settings,
    output,
  }: Pick<CommandContext, 'settings' | 'output'>): Promise<TrackerProgram> {
    const options = trackerOptions(settings)
    const state = await openTrackerState(
      settings.store,
      settings.trackerPort,
      { ...TRACKER_DEFAULTS, ...options },
      {
        lost: (message) => output.event({ event: 'store-lost', message }),
        regained: () => output.event({ event: 'store-regained' }),
      },
    )
    try {
      const server = await TrackerServer.listen({ ...options, desk: state.desk })
      const services = openServices(server, state.store)
      const api = await openTrackerApi(services, {
        hosts: settings.apiHost,
        origins: settings.apiOrigin,
        onFailure: (error) => output.error(error),
      })
      server.serveOthers(api.handle)
      return new TrackerProgram(server, services, api, state)
    } catch (error) {
      await state.close()
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#api.close()
    await this.server.close()
    await this.#state.close()
  }
}

function openServices(tracker: TrackerServer, store: Store): ApiServices {
  return {
    version: readVersion().version,
    tracker,
    store,
    events: new EventHub(),
    metrics: new Registry(),
    now: () => Date.now(),
  }
}
