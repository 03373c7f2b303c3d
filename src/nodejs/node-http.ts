/**
 * Node's HTTP, loaded when it is first needed.
 * Not with `import`: that evaluates every export of the module, a WebSocket and all of fetch among them,
 * which takes 18 ms at the start of every peer and every tracker.
 */
import type http from 'node:http'
import type https from 'node:https'
import { isIP } from 'node:net'

export function nodeHttp(): typeof http {
  return process.getBuiltinModule('node:http')
}

export function nodeHttps(): typeof https {
  return process.getBuiltinModule('node:https')
}

/**
 * A server that changes to another protocol, which nobody asked it to, is a fault. Node.js would end such a
 * request with neither an answer nor an error.
 */
export function refuseUpgrade(request: http.ClientRequest): void {
  request.once('upgrade', (_response, socket) => {
    socket.destroy()
    request.emit('error', new Error('it wants to speak another protocol'))
  })
}

/** Where to connect from, as options of a request; a wildcard leaves it to the system. */
export function connectFrom(
  localAddress: string | undefined,
): Pick<http.RequestOptions, 'localAddress' | 'family'> {
  if (localAddress === undefined || localAddress === '0.0.0.0' || localAddress === '::') return {}
  return { localAddress, family: isIP(localAddress) }
}
