/**
 * Starts a TCP server where the user wants it, with the reasons people can act on when that fails.
 * Without a host it listens on all interfaces, IPv6 and IPv4 at once; on IPv4 alone where there is no IPv6.
 */
import type { AddressInfo, Server } from 'node:net'
import type { Endpoint } from '../wire/endpoint.ts'
import { ShoalError } from './shoal-error.ts'

/** @param ports tried in turn while they are in use; 0 = any free one. Throws ShoalError `listen/…`. */
export async function listenServer(
  server: Server,
  host: string | undefined,
  ports: readonly number[],
): Promise<Endpoint> {
  let failure: NodeJS.ErrnoException | undefined
  for (const port of ports) {
    failure = await tryListen(server, host ?? '::', port)
    if (failure?.code === 'EAFNOSUPPORT' && host === undefined)
      failure = await tryListen(server, '0.0.0.0', port)
    if (failure === undefined) {
      const { address, port: bound } = server.address() as AddressInfo
      return { host: address, port: bound }
    }
    if (failure.code !== 'EADDRINUSE') break
  }
  throw listenError(failure!, host, ports[0]!)
}

function tryListen(server: Server, host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const onError = (error: NodeJS.ErrnoException): void => resolve(error)
    server.once('error', onError)
    server.listen({ host, port, backlog: 511 }, () => {
      server.off('error', onError)
      // A connection that cannot be taken (no descriptor or memory for it) is lost; it
      // must not end the program.
      server.on('error', () => {})
      resolve(undefined)
    })
  })
}

/** The reason a socket could not be bound, as users see it. */
export function listenError(
  cause: NodeJS.ErrnoException,
  host: string | undefined,
  port: number,
): ShoalError {
  const where = `port ${port}${host === undefined ? '' : ` on ${host}`}`
  switch (cause.code) {
    case 'EADDRINUSE':
      return new ShoalError(
        'listen/port-in-use',
        `${where} is in use by another program`,
        'choose another with --port, or --port 0 for any free one',
        { cause },
      )
    case 'EACCES':
      return new ShoalError(
        'listen/not-permitted',
        `not permitted to listen on ${where}`,
        'choose a port above 1023 or run with the right to use low ports',
        { cause },
      )
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new ShoalError(
        'listen/no-such-address',
        `this machine has no address ${host ?? ''}`,
        'give --host one of its own addresses, or leave it out to listen on all',
        { cause },
      )
    default:
      return new ShoalError(
        'listen/failed',
        `cannot listen on ${where}: ${cause.message}`,
        'check --host and --port',
        {
          cause,
        },
      )
  }
}
