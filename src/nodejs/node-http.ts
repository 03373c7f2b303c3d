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
 * A request that is not sent yet. Node.js would throw for an address whose credentials are no text,
 * be it one of a stranger or of a redirect: they are sent as they are written. And it would end a
 * request with neither an answer nor an error when the server changes to another protocol, which
 * nobody asked it to: that is an error.
 */
export function httpRequest(url: URL, options: https.RequestOptions): http.ClientRequest {
  const bare = new URL(url)
  bare.username = ''
  bare.password = ''
  const auth = `${decoded(url.username)}:${decoded(url.password)}`
  const client = url.protocol === 'https:' ? nodeHttps() : nodeHttp()
  const request = client.request(bare, { ...options, ...(auth !== ':' && { auth }) })
  request.once('upgrade', (_response, socket) => {
    socket.destroy()
    request.emit('error', new Error('it wants to speak another protocol'))
  })
  return request
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Where to connect from, as options of a request; a wildcard leaves it to the system. */
export function connectFrom(
  localAddress: string | undefined,
): Pick<http.RequestOptions, 'localAddress' | 'family'> {
  if (localAddress === undefined || localAddress === '0.0.0.0' || localAddress === '::') return {}
  return { localAddress, family: isIP(localAddress) }
}
