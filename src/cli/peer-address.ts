/** Where a peer of this machine can be dialled from this machine. */
import type { Endpoint } from '../wire/endpoint.ts'

/** The same port on loopback where it listens on all interfaces. */
export function dialable({ host, port }: Endpoint): Endpoint {
  return { host: host === '::' || host === '0.0.0.0' ? '127.0.0.1' : host, port }
}
