/**
 * What a tracker knows, where `--store` says: swarms in this process and the rest in a file or in memory, or
 * both in a Redis that other trackers share. With a file the swarms are written there as well, for a restart.
 */
import { AnnouncePolicy } from '../tracker/announce-policy.ts'
import { LocalTracker, type LocalTrackerOptions } from './local-tracker.ts'
import { openStore } from './open-store.ts'
import type { RedisListener } from './redis-connection.ts'
import type { Store } from './store.ts'
import { SwarmKeeper } from './swarm-keeper.ts'
import type { TrackerBackend } from './tracker-backend.ts'

/** Told how the store fares. */
export interface StateListener extends RedisListener {
  /** What waits could not be written to the file, and is tried again; or Redis is of no use. */
  readonly failed?: (error: unknown) => void
}

export interface TrackerState {
  readonly desk: TrackerBackend
  readonly store: Store
  /** Flushes the store; the desk is closed too. */
  close(): Promise<void>
}

/**
 * @param name value of `--store`
 * @param port what the tracker was told to listen on; 0 = any free one
 * Throws ShoalError `store/…`, `usage/bad-option`.
 */
export async function openTrackerState(
  name: string,
  port: number,
  options: LocalTrackerOptions,
  listener: StateListener,
): Promise<TrackerState> {
  if (/^rediss?:/.test(name)) return await openShared(name, options, listener)
  const store = await openStore(name, port, listener.failed)
  const desk = new LocalTracker(options)
  if (store.description === 'memory') return stateOf(desk, store)
  const { lifetimeSeconds } = new AnnouncePolicy(options)
  return stateOf(desk, store, await SwarmKeeper.open(desk, store, { lifetimeSeconds }))
}

/** Loads the client of Redis, which nobody else needs. */
async function openShared(
  url: string,
  options: LocalTrackerOptions,
  listener: StateListener,
): Promise<TrackerState> {
  const [{ RedisConnection }, { RedisStore }, { SharedTracker }] = await Promise.all([
    import('./redis-connection.ts'),
    import('./redis-store.ts'),
    import('./shared-tracker.ts'),
  ])
  const redis = await RedisConnection.open(url, listener)
  return stateOf(new SharedTracker(redis, options), new RedisStore(redis))
}

function stateOf(desk: TrackerBackend, store: Store, keeper?: SwarmKeeper): TrackerState {
  return {
    desk,
    store,
    close: async () => {
      try {
        await keeper?.close()
      } finally {
        desk.close()
        await store.close()
      }
    },
  }
}
