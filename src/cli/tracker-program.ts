/**
 * A whole tracker: its sockets, what it remembers, and its HTTP API, put together and taken apart. Whatever
 * is asked of the API finds its parts here.
 */
import { randomBytes } from 'node:crypto'
import { Registry } from 'prom-client'
import { CatalogService } from '../api/catalog-service.ts'
import { EventHub } from '../api/event-hub.ts'
import type { ApiServices } from '../api/services.ts'
import { openTrackerApi, type TrackerApi } from '../api/tracker-api.ts'
import { SIPHASH_KEY_LENGTH, SipHash } from '../base/siphash.ts'
import type { ServedRequest } from '../nodejs/access-log.ts'
import type { LocalTrackerOptions } from '../nodejs/local-tracker.ts'
import { PayloadBook } from '../nodejs/payload-book.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { Store } from '../nodejs/store.ts'
import { TrackerAccess } from '../nodejs/tracker-access.ts'
import { TrackerServer } from '../nodejs/tracker-server.ts'
import { openTrackerState, type StateListener, type TrackerState } from '../nodejs/tracker-state.ts'
import { TRACKER_DEFAULTS } from '../tracker/announce-policy.ts'
import type { LivenessEvent } from '../tracker/heartbeat.ts'
import { SourceBudgets } from '../tracker/source-budgets.ts'
import { publishBudget } from '../tracker/source-rules.ts'
import type { CommandContext } from './command-context.ts'
import type { Settings } from './settings.ts'
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
    const options = {
      ...trackerOptions(settings),
      onLiveness: (event: LivenessEvent) => output.event(event),
      onRequest: logsRequests(settings)
        ? (request: ServedRequest) => output.event({ event: 'request', ...request })
        : undefined,
    }
    const state = await openOrForget(settings, output, { ...TRACKER_DEFAULTS, ...options })
    let server: TrackerServer | undefined
    try {
      server = await TrackerServer.listen({ ...options, desk: state.desk })
      const services = await openServices(server, state.store, settings)
      server.guardAnnounces(services.access)
      const api = await openTrackerApi(services, {
        hosts: settings.apiHost,
        origins: settings.apiOrigin,
        onFailure: (error) => output.error(error),
      })
      server.serveOthers(api.handle)
      return new TrackerProgram(server, services, api, state)
    } catch (error) {
      await server?.close()
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

/** Where nobody named a store and the user's data folder cannot be written, a tracker still runs. */
async function openOrForget(
  { store, trackerPort }: CommandContext['settings'],
  output: CommandContext['output'],
  options: LocalTrackerOptions,
): Promise<TrackerState> {
  const listener: StateListener = {
    lost: (message) => output.event({ event: 'store-lost', message }),
    regained: () => output.event({ event: 'store-regained' }),
    failed: (error) => output.error(error),
  }
  try {
    return await openTrackerState(store, trackerPort, options, listener)
  } catch (error) {
    if (store !== 'auto' || !(error instanceof ShoalError)) throw error
    const { code, message, hint } = error
    output.warning({ code, message: `${message}; what it knows is kept in memory`, hint })
    return openTrackerState('memory', trackerPort, options, listener)
  }
}

/**
 * The token of the operator stands beside the file of the store, where there is one,
 * unless another place was named.
 */
function openAccess({ mode, tokenFile }: Settings, store: Store): Promise<TrackerAccess> {
  const isFile = store.description !== 'memory' && store.description !== 'Redis'
  const beside = isFile ? `${store.description}.token` : undefined
  return TrackerAccess.open({ mode, tokenFile: tokenFile === 'auto' ? beside : tokenFile }, store)
}

function openPublishing({ publishLimit }: Settings): SourceBudgets {
  const hash = new SipHash(randomBytes(SIPHASH_KEY_LENGTH))
  return new SourceBudgets(hash, publishBudget(publishLimit === 'auto' ? undefined : publishLimit))
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
    publishing: openPublishing(settings),
    events: new EventHub(),
    metrics: new Registry(),
    now,
  }
}
