/** Figures: `/stats.json` and `GET /api/v1/stats` for people, `/metrics` for Prometheus. */
import { Gauge } from 'prom-client'
import { TrackerStatistics } from './contract.ts'
import type { ApiServices, RouteModule } from './services.ts'

export const statsRoutes: RouteModule = (app, services) => {
  const { metrics } = services
  addTrackerMetrics(services)
  for (const path of ['/stats.json', '/api/v1/stats'])
    app.get(
      path,
      { schema: { summary: 'counters of this tracker', response: { 200: TrackerStatistics } } },
      () => statistics(services),
    )
  app.get('/metrics', { schema: { summary: 'the same for Prometheus' } }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.metrics()),
  )
}

/** Everything there is to tell in figures; other parts of the tracker put theirs in here. */
function statistics({ tracker }: ApiServices): TrackerStatistics {
  return { ...tracker.stats() }
}

const TRACKER_METRICS = {
  swarms: 'swarms with at least one peer',
  peers: 'peers in all swarms',
  announces: 'announces since the start',
  scrapes: 'scrapes since the start',
  refusals: 'announces and scrapes that were refused',
  displaced: 'peers of the busiest sources that gave way to newcomers, the tracker being full',
  uptimeSeconds: 'seconds since the start',
} as const

/** Read when somebody asks, so that they cost nothing in between. */
function addTrackerMetrics({ tracker, metrics, events }: ApiServices): void {
  for (const [key, help] of Object.entries(TRACKER_METRICS))
    new Gauge({
      name: metricName(key),
      help,
      registers: [metrics],
      collect() {
        this.set(tracker.stats()[key as keyof typeof TRACKER_METRICS] ?? Number.NaN)
      },
    })
  new Gauge({
    name: 'shoal_tracker_event_streams',
    help: 'listeners at /api/v1/events',
    registers: [metrics],
    collect() {
      this.set(events.size)
    },
  })
}

/** `uptimeSeconds` is `shoal_tracker_uptime_seconds`. */
function metricName(key: string): string {
  return `shoal_tracker_${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`
}
