/**
 * One file fetched whole over HTTP, bounded in bytes, time and redirects. Where an address may lie is
 * checked for the very connection, and no redirect leads closer to this machine than where it came from
 * (S39), nor from HTTPS to HTTP.
 */
import { once } from 'node:events'
import type http from 'node:http'
import { isIP } from 'node:net'
import { type AddressScope, addressScope, reachesAsFar } from '../wire/address-scope.ts'
import { parseAddress } from '../wire/endpoint.ts'
import { BlockedAddress, lookupWithin } from './lookup-within.ts'
import { connectFrom, httpRequest } from './node-http.ts'
import { ShoalError } from './shoal-error.ts'

export interface HttpDownload {
  readonly signal: AbortSignal
  /** Where to connect from; undefined or a wildcard leaves it to the system. */
  readonly localAddress?: string | undefined
  /** How far the address must reach. */
  readonly scopeMin: AddressScope
  readonly headers?: Readonly<Record<string, string>>
  readonly bytesMax: number
  readonly redirectsMax: number
  /** Makes what is thrown. */
  readonly fault: (message: string, cause?: unknown) => ShoalError
  /** For tests. */
  readonly scopeOf?: ((address: Uint8Array) => AddressScope) | undefined
}

/** 32 MiB at 2 Mbit/s. */
const WHOLE_MS = 120_000
/** Without a byte. */
const IDLE_MS = 15_000
const REDIRECTS: ReadonlySet<number | undefined> = new Set([301, 302, 303, 307, 308])

/** Throws what `fault` makes, or the reason of an aborted signal. */
export async function download(url: URL, options: HttpDownload): Promise<Buffer> {
  try {
    return await follow(url, options)
  } catch (error) {
    options.signal.throwIfAborted()
    throw error
  }
}

async function follow(url: URL, options: HttpDownload): Promise<Buffer> {
  const { fault, scopeOf = addressScope } = options
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(WHOLE_MS)])
  let { scopeMin } = options
  let from = url
  for (let redirectCount = 0; ; redirectCount++) {
    const response = await respond(from, { ...options, signal, scopeMin })
    const { statusCode, headers, socket } = response
    if (!REDIRECTS.has(statusCode) || headers.location === undefined || options.redirectsMax === 0)
      return read(response, from.host, options)
    const address = parseAddress(socket.remoteAddress ?? '')
    response.destroy()
    const to = URL.canParse(headers.location, from.href) ? new URL(headers.location, from) : undefined
    const isHttp = to?.protocol === 'https:' || (to?.protocol === 'http:' && from.protocol === 'http:')
    if (to === undefined || !isHttp) throw fault(`${from.host} redirects to what cannot be followed`)
    if (redirectCount >= options.redirectsMax) throw fault(`${url.host} redirects too often`)
    const scope = address === undefined ? 'global' : scopeOf(address)
    if (reachesAsFar(scope, scopeMin)) scopeMin = scope
    from = to
  }
}

async function respond(
  url: URL,
  { signal, localAddress, scopeMin, headers, fault, scopeOf = addressScope }: HttpDownload,
): Promise<http.IncomingMessage> {
  const { host } = url
  const isAllowed = (address: Uint8Array) => reachesAsFar(scopeOf(address), scopeMin)
  const blocked = () =>
    fault(`${host} is an address in a private network that the link has no business to name`)
  const name = url.hostname.replace(/^\[(.*)\]$/, '$1')
  // The lookup is not asked about addresses.
  if (isIP(name) !== 0 && !isAllowed(parseAddress(name) ?? new Uint8Array(4))) throw blocked()
  const request = httpRequest(url, {
    agent: false,
    headers: { 'User-Agent': 'Shoal', 'Accept-Encoding': 'identity', ...headers },
    lookup: lookupWithin(isAllowed),
    rejectUnauthorized: true,
    signal,
    timeout: IDLE_MS,
    ...connectFrom(localAddress),
  })
  request.on('timeout', () => request.destroy(new Error('no answer')))
  request.end()
  try {
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    // A late one is heard by whoever reads the response.
    request.on('error', () => {})
    return response
  } catch (error) {
    if (error instanceof BlockedAddress) throw blocked()
    const { code, message } = error as NodeJS.ErrnoException
    throw fault(`${host} cannot be reached: ${code ?? message}`, error)
  }
}

async function read(
  response: http.IncomingMessage,
  host: string,
  { bytesMax, fault }: HttpDownload,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    if (response.statusCode !== 200) throw fault(`${host} answers with HTTP status ${response.statusCode}`)
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      length += chunk.length
      if (length > bytesMax) throw fault(`the answer of ${host} is too long`)
    }
  } catch (error) {
    response.destroy()
    throw error instanceof ShoalError ? error : fault(`the answer of ${host} breaks off`, error)
  }
  return Buffer.concat(chunks)
}
