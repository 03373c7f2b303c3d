/**
 * Under which origin the asker reaches this tracker, for the links it is given: `https://tracker.example`.
 * The name is that of Host, which the guard has checked. This tracker itself has no TLS; that a proxy in
 * front of it has is believed of proxies that were named, and of nobody else (S24).
 */
import type { FastifyRequest } from 'fastify'
import type { ApiServices } from './services.ts'

export function originOf(
  { tracker }: Pick<ApiServices, 'tracker'>,
  { raw, headers }: Pick<FastifyRequest, 'raw' | 'headers'>,
): string {
  // The nearest proxy writes last.
  const scheme = String(headers['x-forwarded-proto'] ?? '')
    .split(',')
    .at(-1)!
    .trim()
    .toLowerCase()
  return `${scheme === 'https' && tracker.isOfProxy(raw) ? 'https' : 'http'}://${headers.host}`
}
