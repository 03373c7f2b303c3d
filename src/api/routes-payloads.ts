/** Payload strings: `POST /api/v1/payloads` gives one, `GET /api/v1/payloads/ID` asks for one. */
import { Counter, Gauge } from 'prom-client'
import { Type } from 'typebox'
import { fromHex } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { chunkHashes, isPayloadId, PAYLOAD_HASHING, payloadBytes } from '../catalog/payload.ts'
import type { PayloadRecord } from '../nodejs/payload-book.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { ApiProblem, problemOf } from './api-problem.ts'
import { preset, problems } from './contract.ts'
import { PayloadFound, PayloadPut, PayloadUnknown, PutPayload } from './contract-payloads.ts'
import { PublishGuard } from './publish-guard.ts'
import type { ApiServices, RouteModule } from './services.ts'

/** JSON writes some characters of one byte as six. */
const BODY_BYTES_MAX = 6 * LIMITS.payloadBytesMax.value + 1024

export const payloadRoutes: RouteModule = (app, services) => {
  const { payloads, store, tracker, events, now } = services
  const guard = new PublishGuard(services)
  const counted = countRequests(services)

  app.post(
    '/api/v1/payloads',
    {
      bodyLimit: BODY_BYTES_MAX,
      onRequest: guard.check,
      schema: {
        summary: 'give a payload string; the same string has the same id',
        body: PutPayload,
        response: { 200: PayloadPut, 201: PayloadPut, ...problems(400, 413, 429, 507) },
      },
    },
    async (request, reply) => {
      const utf8 = payloadBytes(request.body.payload, (text) => Buffer.from(text))
      if (!utf8.ok) {
        const { code, message, hint } = utf8.error
        throw new ApiProblem(code === 'payload/too-large' ? 413 : 400, code, message, {
          hint,
          fields: [{ field: 'payload', message }],
        })
      }
      await guard.charge(request, 1, utf8.value.length)
      const { record, isNew } = await put(() => payloads.put(utf8.value, request.body.store ?? true, now()))
      counted.inc({ kind: isNew ? 'new' : 'known' })
      // Who hears 201 finds it there tomorrow.
      await store.flush()
      if (isNew) events.publish('payload', { payloadId: record.id, bytes: record.bytes })
      return reply
        .code(isNew ? 201 : 200)
        .send({ ...aboutOf(record), status: isNew ? 'stored' : 'already known' })
    },
  )

  app.get(
    '/api/v1/payloads/:id',
    {
      schema: {
        summary: 'a payload string by its id, with the hash of each chunk',
        params: Type.Object({ id: Type.String() }),
        querystring: Type.Object({ hashes: preset(Type.Boolean({ default: true })) }),
        response: { 200: PayloadFound, 404: PayloadUnknown, ...problems(400) },
      },
    },
    async (request, reply) => {
      const id = request.params.id.toLowerCase()
      if (!isPayloadId(id))
        throw new ApiProblem(400, 'payload/bad-id', 'that is no payload id', {
          hint: 'It has 64 hex digits.',
          fields: [{ field: 'id', message: 'must have 64 hex digits' }],
        })
      const record = payloads.get(id)
      counted.inc({ kind: record === undefined ? 'unknown' : 'found' })
      if (record === undefined) {
        const problem = problemOf(
          new ApiProblem(404, 'payload/unknown', 'nobody has put a payload with this id'),
        )
        return reply
          .code(404)
          .type('application/problem+json; charset=utf-8')
          .send({ ...problem, valid: false as const, payloadId: id })
      }
      const text = await payloads.text(record)
      return reply.send({
        valid: true as const,
        ...aboutOf(record),
        payload: text === undefined ? null : Buffer.from(text).toString('utf8'),
        ...(request.query.hashes && { chunks: chunkHashes(await payloads.digests(record)) }),
        holders: (await tracker.counts(fromHex(record.infoHash)!)).seeders,
      })
    },
  )
}

function countRequests({ metrics, payloads }: ApiServices): Counter<'kind'> {
  const counted = new Counter({
    name: 'shoal_tracker_payload_requests_total',
    help: 'payload strings put and asked for',
    labelNames: ['kind'],
    registers: [metrics],
  })
  for (const kind of ['new', 'known', 'found', 'unknown']) counted.inc({ kind }, 0)
  new Gauge({
    name: 'shoal_tracker_payloads',
    help: 'payload strings known',
    registers: [metrics],
    collect() {
      this.set(payloads.count)
    },
  })
  return counted
}

function aboutOf({ id, infoHash, name, bytes, chunkCount, rootHash, isStored }: PayloadRecord) {
  return { payloadId: id, infoHash, name, bytes, chunkCount, ...PAYLOAD_HASHING, rootHash, stored: isStored }
}

async function put<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof ShoalError && error.code === 'payload/full')
      throw new ApiProblem(507, error.code, error.message, { hint: error.hint })
    throw error
  }
}
