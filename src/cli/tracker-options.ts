/** From settings to what a tracker is started with, as the tracker takes it. */
import type { TrackerServerOptions } from '../nodejs/tracker-server.ts'
import type { Settings } from './settings.ts'

export function trackerOptions(settings: Settings): TrackerServerOptions {
  return {
    host: settings.host === 'all' ? undefined : settings.host,
    port: settings.trackerPort,
    udpPort: settings.udpPort,
    trustedProxies: settings.trustedProxy,
    sourceLimit: settings.sourceLimit === 'auto' ? undefined : settings.sourceLimit,
    intervalSeconds: Math.max(1, Math.round(settings.interval / 1000)),
    fullListPeers: settings.fullList === 'all' ? Number.POSITIVE_INFINITY : settings.fullList,
    samplePeers: settings.sample === 'all' ? Number.POSITIVE_INFINITY : settings.sample,
    heartbeat:
      settings.heartbeat === 'off'
        ? undefined
        : {
            periodSeconds: settings.heartbeat / 1000,
            windowSeconds: settings.heartbeatWindow / 1000,
          },
  }
}
