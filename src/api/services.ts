/**
 * What routes work with. Made once, in `src/cli/tracker-program.ts`; a group of routes may add its own field.
 */

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { Registry } from 'prom-client'
import type { PayloadBook } from '../nodejs/payload-book.ts'
import type { Store } from '../nodejs/store.ts'
import type { TrackerAccess } from '../nodejs/tracker-access.ts'
import type { TrackerServer } from '../nodejs/tracker-server.ts'
import type { SourceBudgets } from '../tracker/source-budgets.ts'
import type { CatalogService } from './catalog-service.ts'
import type { EventHub } from './event-hub.ts'

export interface ApiServices {
  /** Shoal's own version. */
  readonly version: string
  readonly tracker: TrackerServer
  /** What must survive a restart. */
  readonly store: Store
  readonly payloads: PayloadBook
  /** Who may use this tracker. */
  readonly access: TrackerAccess
  readonly catalog: CatalogService
  /** How much one address may put in. */
  readonly publishing: SourceBudgets
  readonly events: EventHub
  readonly metrics: Registry
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Fastify, with types taken from the schemas. */
export type ApiApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** One group of routes. Called once, before the app is ready. */
export type RouteModule = (app: ApiApp, services: ApiServices) => void
