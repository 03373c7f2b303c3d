/** Addresses of peers: where one of this machine can be dialled, and where one that was named is. */
import { ShoalError } from '../nodejs/shoal-error.ts'
import type { Endpoint } from '../wire/endpoint.ts'
import { resolvePeers } from './peer-options.ts'
import { parseHostPort } from './setting-parser.ts'

/** The same port on loopback where it listens on all interfaces. */
export function dialable({ host, port }: Endpoint): Endpoint {
  return { host: host === '::' || host === '0.0.0.0' ? '127.0.0.1' : host, port }
}

/** Of `HOST:PORT`. Throws `usage/bad-peer` and `usage/unknown-host`. */
export async function peerNamed(text: string): Promise<Endpoint> {
  const named = parseHostPort(text)
  if (named === undefined)
    throw new ShoalError('usage/bad-peer', `${text} is no address of a peer`, 'Write HOST:PORT.')
  const [endpoint] = await resolvePeers([named])
  return endpoint!
}
