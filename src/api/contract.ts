/**
 * What goes over the tracker's HTTP API, as schemas, with the types they stand for. Requests are checked
 * against them, answers written by them, `/api/openapi.json` made from them; the web interface imports the
 * types. Groups with many schemas of their own have a file beside this one (`contract-NAME.ts`).
 * Units: sizes are bytes, times milliseconds since 1970 (`…At`), durations seconds.
 * Hashes are lower-case hex.
 */
import { type Static, type TObject, type TSchema, Type } from 'typebox'
import { LIMITS } from '../base/limits.ts'

/** 40 hex digits (v1, or the first 20 bytes of v2) or 64 (v2). */
export const InfoHashText = Type.String({ pattern: '^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$' })

export const FieldProblem = Type.Object({ field: Type.String(), message: Type.String() })
export type FieldProblem = Static<typeof FieldProblem>

/** RFC 9457, with the code of docs/errors.md. */
export const Problem = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  code: Type.String(),
  hint: Type.Optional(Type.String()),
  errors: Type.Optional(Type.Array(FieldProblem)),
})
export type Problem = Static<typeof Problem>

/** What every list takes; pages count from 1. */
export const PageQuery = {
  page: preset(Type.Integer({ minimum: 1, maximum: LIMITS.apiPageMax.value, default: 1 })),
  limit: preset(Type.Integer({ minimum: 1, maximum: LIMITS.apiPageRowsMax.value, default: 50 })),
}

export const RouteDescription = Type.Object({
  method: Type.String(),
  path: Type.String(),
  summary: Type.String(),
})
export const ApiDescription = Type.Object({
  name: Type.Literal('shoal tracker'),
  version: Type.String(),
  openapi: Type.String(),
  routes: Type.Array(RouteDescription),
})
export type ApiDescription = Static<typeof ApiDescription>

/** The body of `/stats.json` and of `GET /api/v1/stats`. */
export const TrackerStatistics = Type.Object(
  {
    /** Null where they are not counted, because several trackers share the swarms. */
    swarms: Type.Union([Type.Integer(), Type.Null()]),
    peers: Type.Union([Type.Integer(), Type.Null()]),
    announces: Type.Integer(),
    scrapes: Type.Integer(),
    refusals: Type.Integer(),
    displaced: Type.Union([Type.Integer(), Type.Null()]),
    uptimeSeconds: Type.Integer(),
  },
  { additionalProperties: true },
)
export type TrackerStatistics = Static<typeof TrackerStatistics>

/**
 * A field that has a default: whoever asks may leave it out, and whoever answers finds it there, since the
 * validator has put it in.
 */
export function preset<S extends TSchema>(schema: S): S {
  return Type.Optional(schema) as unknown as S
}

/** Problem documents for the `response` of a route, by status. */
export function problems<const S extends number>(...statuses: readonly S[]): Record<S, typeof Problem> {
  return Object.fromEntries(statuses.map((status) => [status, Problem])) as Record<S, typeof Problem>
}

/** An object of which nothing may be there but what is named: for bodies and queries. */
export function exact<P extends Parameters<typeof Type.Object>[0]>(properties: P): TObject<P> {
  return Type.Object(properties, { additionalProperties: false }) as TObject<P>
}
