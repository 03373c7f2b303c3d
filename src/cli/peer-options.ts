/** From settings to what a peer node is started with: the only place where the two vocabularies meet. */
import { lookup } from 'node:dns/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { PeerNodeOptions } from '../nodejs/peer-node.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import type { Metainfo } from '../wire/metainfo.ts'
import { portsToTry } from './listen-ports.ts'
import type { HostPort } from './setting-kinds.ts'
import type { Settings } from './settings.ts'
import { readVersion } from './version.ts'

/** @param portOffset for the second, third... peer of one command */
export function peerNodeOptions(settings: Settings, portOffset = 0): PeerNodeOptions {
  const { serve, fetch } = settings.verbose
  return {
    trace: serve > 0 || fetch > 1 ? { serve, fetch } : undefined,
    host: settings.host === 'all' ? undefined : settings.host,
    ports: portsToTry(settings.port, portOffset),
    version: readVersion().version,
    uploadBytesPerSecond: numberOr(settings.uploadLimit, 0),
    downloadBytesPerSecond: numberOr(settings.downloadLimit, 0),
    connectionsMax: settings.maxPeers,
    piecesInFlightMax: numberOr(settings.maxRequests, undefined),
    piecesPerPeerMax: numberOr(settings.piecesPerPeer, undefined),
    uploadSlotCount: settings.oneAtATime ? 1 : settings.uploadSlots,
    usesTrackers: settings.useTracker,
    requiresTracker: settings.requireTracker,
    announceIntervalSeconds:
      settings.refreshLocations === 'off' ? undefined : settings.refreshLocations / 1000,
    registerEverySeconds: settings.registerEvery === 'off' ? undefined : settings.registerEvery / 1000,
    announcesRebuilt: settings.rebuiltInfoHash,
    exchangesPeers: settings.pex,
    usesWebSeeds: settings.webSeeds,
    usesLocalNetwork: settings.lan,
    handshakeTimeoutSeconds: settings.handshakeTimeout / 1000,
    requestTimeoutSeconds: settings.requestTimeout / 1000,
    idleTimeoutSeconds: settings.idleTimeout / 1000,
    encryption: settings.encryption,
    unverifiedBytesMax: settings.memory,
    trackerTimeoutMs: settings.trackerTimeout,
    uploadDelaySeconds: numberOr(settings.uploadDelay, 0) / 1000,
    seedNotesFolder: seedNotesFolder(process.env),
    // An address by chance has no past.
    ...(settings.port !== 0 && { countersFolder: join(stateFolder(process.env), 'counters') }),
    turns: settings.oneAtATime
      ? {
          turnSeconds: settings.turnLimit / 1000,
          waitSeconds: settings.waitLimit / 1000,
          stallSeconds: settings.requestTimeout / 1000,
        }
      : undefined,
  }
}

/** What is remembered of torrents that are only seeded. */
export function seedNotesFolder(environment: NodeJS.ProcessEnv): string {
  return join(stateFolder(environment), 'seeds')
}

/** What programs of this user keep between runs, by the XDG rules. */
export function stateFolder({ XDG_STATE_HOME }: NodeJS.ProcessEnv): string {
  return join(XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'shoal')
}

/** Trackers that were named come first, as a tier of their own; none at all with `--no-tracker`. */
export function trackerTiers(
  settings: Pick<Settings, 'tracker' | 'useTracker'>,
  metainfo: Pick<Metainfo, 'trackers'>,
): readonly (readonly string[])[] {
  if (!settings.useTracker) return []
  const named = new Set(settings.tracker)
  const others = metainfo.trackers
    .map((tier) => tier.filter((url) => !named.has(url)))
    .filter((tier) => tier.length > 0)
  return named.size > 0 ? [[...named], ...others] : others
}

/** Numeric addresses of the peers that were named. Throws `usage/unknown-host`. */
export async function resolvePeers(peers: readonly HostPort[]): Promise<Endpoint[]> {
  return Promise.all(
    peers.map(async ({ host, port }) => {
      try {
        return { host: (await lookup(host)).address, port }
      } catch (cause) {
        throw new ShoalError(
          'usage/unknown-host',
          `--peer ${host}: there is no such host`,
          'Check the name, or give its address.',
          { cause },
        )
      }
    }),
  )
}

function numberOr<T>(value: number | string, otherwise: T): number | T {
  return typeof value === 'number' ? value : otherwise
}
