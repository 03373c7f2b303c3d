/** The groups of routes of a tracker, in the order in which `GET /api` lists them. */
import { accessRoutes } from './routes-access.ts'
import { catalogRoutes } from './routes-catalog.ts'
import { describeRoutes } from './routes-describe.ts'
import { eventRoutes } from './routes-events.ts'
import { pageRoutes } from './routes-pages.ts'
import { payloadRoutes } from './routes-payloads.ts'
import { peerRoutes } from './routes-peers.ts'
import { statsRoutes } from './routes-stats.ts'
import type { RouteModule } from './services.ts'

export const TRACKER_ROUTES: readonly RouteModule[] = [
  describeRoutes,
  pageRoutes,
  statsRoutes,
  catalogRoutes,
  eventRoutes,
  peerRoutes,
  payloadRoutes,
  accessRoutes,
]
