/**
 * Peers over HTTP: register and deregister, the list, the piece map, reports. What an announce is for
 * BitTorrent programs, for everybody else; on the same swarms.
 * Invariant: nobody speaks for another: the address of a request is that of its connection (or what a trusted
 * proxy says), and one that names another address is refused; a swarm that was made private is for members
 * here as well.
 */
import type { FastifyRequest } from 'fastify'
import { equalBytes, fromHex, toHex } from '../base/bytes.ts'
import { encodeUtf8 } from '../base/text.ts'
import { clientName } from '../swarm/client-name.ts'
import { type PeerIdentity, REGISTRY } from '../tracker/peer-desk.ts'
import type { KnownPeer } from '../tracker/peer-record.ts'
import { addressScope } from '../wire/address-scope.ts'
import { formatAddress, parseAddress } from '../wire/endpoint.ts'
import { checkSwarm } from './api-access.ts'
import { ApiProblem } from './api-problem.ts'
import { problems } from './contract.ts'
import {
  DeregisterBody,
  DeregisterReply,
  HaveBody,
  HaveReply,
  LocationsQuery,
  LocationsReply,
  PeersQuery,
  PeersReply,
  RegisterBody,
  RegisterReply,
  ReportBody,
  ReportReply,
} from './contract-peers.ts'
import type { ApiServices, RouteModule } from './services.ts'

const INFO_HASH_LENGTH = 20
const PEER_ID_LENGTH = 20

export const peerRoutes: RouteModule = (app, services) => {
  const { tracker } = services
  app.get(
    '/api/v1/peers',
    {
      schema: {
        summary: 'who is in a swarm, or registered without one',
        querystring: PeersQuery,
        response: { 200: PeersReply, ...problems(400, 401, 404, 503) },
      },
    },
    async (request): Promise<PeersReply> => {
      const { query } = request
      const infoHash = query.info_hash === undefined ? REGISTRY : swarmOf(services, request, query.info_hash)
      const listing = await tracker.peers.list(infoHash, query.all)
      if (listing !== undefined) return { total: listing.total, peers: listing.peers.map(rowOf) }
      if (infoHash === REGISTRY) return { total: 0, peers: [] }
      throw unknownSwarm()
    },
  )
  app.post(
    '/api/v1/register',
    {
      schema: {
        summary: 'a peer says that it is there',
        body: RegisterBody,
        response: { 200: RegisterReply, 201: RegisterReply, ...problems(400, 401, 403, 429, 503, 507) },
      },
    },
    async (request, reply) => {
      const peer = ownIdentity(services, request, request.body)
      // Who does not say is taken for one that has nothing.
      const left = request.body.left ?? Number.MAX_SAFE_INTEGER
      const outcome = await tracker.peers.register(peer, left)
      if (outcome === 'full')
        throw new ApiProblem(507, 'tracker/full', 'this tracker is full; try again in ten minutes')
      const isNew = outcome === 'registered'
      const message = isNew ? 'Successfully Registered' : 'Peer already registered'
      void reply.code(isNew ? 201 : 200)
      return { registered: true, message }
    },
  )
  app.post(
    '/api/v1/deregister',
    {
      schema: {
        summary: 'a peer says that it leaves; id, address and port must be those it came with',
        body: DeregisterBody,
        response: { 200: DeregisterReply, ...problems(400, 401, 403, 429, 503) },
      },
    },
    async (request) => {
      const peer = ownIdentity(services, request, request.body)
      const removed = await tracker.peers.deregister(peer)
      return { removed, message: removed ? 'Successfully Deregistered' : 'Peer not found' }
    },
  )
  pieceRoutes(app, services)
  reportRoutes(app, services)
}

const pieceRoutes: RouteModule = (app, services) => {
  const { tracker } = services
  app.get(
    '/api/v1/locations',
    {
      schema: {
        summary: 'which peer says that it has which pieces',
        querystring: LocationsQuery,
        response: { 200: LocationsReply, ...problems(400, 401, 404, 503) },
      },
    },
    async (request): Promise<LocationsReply> => {
      const infoHash = swarmOf(services, request, request.query.info_hash)
      const located = await tracker.peers.locations(infoHash)
      if (located === undefined) throw unknownSwarm()
      const peers = located.peers.map(({ address, port, have, isSeed }) => ({
        ip: formatAddress(address),
        port,
        have: have === undefined ? ('unknown' as const) : have.map(([a, b]): [number, number] => [a, b]),
        seed: isSeed,
      }))
      return { total: located.total, peers }
    },
  )
  app.post(
    '/api/v1/have',
    {
      schema: {
        summary: 'a peer tells which pieces it has',
        body: HaveBody,
        response: { 200: HaveReply, ...problems(400, 401, 429, 503) },
      },
    },
    async (request) => {
      const { info_hash, peer_id, port, have, replace, pieces = Number.POSITIVE_INFINITY } = request.body
      const ranges = have.filter(([first, last]) => first <= last && last < pieces)
      const peer = {
        infoHash: swarmOf(services, request, info_hash),
        peerId: peerIdOf(peer_id),
        address: askerOf(services, request),
        port,
      }
      const accepted = await tracker.peers.have(peer, ranges, replace)
      const count = accepted ? ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0) : 0
      return { accepted, count }
    },
  )
}

const reportRoutes: RouteModule = (app, services) => {
  app.post(
    '/api/v1/report',
    {
      schema: {
        summary: 'a peer says that another one does not answer; the tracker then looks for itself',
        body: ReportBody,
        response: { 200: ReportReply, ...problems(400, 401, 429, 503) },
      },
    },
    async (request) => {
      const { info_hash, ip, port, peer_id, peer_port } = request.body
      const report = {
        infoHash: swarmOf(services, request, info_hash),
        address: addressOf(ip, 'ip'),
        port,
        reporter: {
          address: askerOf(services, request),
          port: peer_port,
          peerId: peer_id === undefined ? undefined : peerIdOf(peer_id),
        },
      }
      const outcome = await services.tracker.peers.report(report)
      return outcome === 'probing' ? { accepted: true } : { accepted: false, reason: outcome }
    },
  )
}

/** The peer that a request is about, which must be the one that sends it. */
function ownIdentity(
  services: ApiServices,
  request: FastifyRequest,
  body: {
    readonly peer_id: string
    readonly hostaddr: string
    readonly port: number
    readonly info_hash?: string
  },
): PeerIdentity {
  const address = addressOf(body.hostaddr, 'hostaddr')
  const asker = askerOf(services, request, formatAddress(address))
  // All loopback addresses are this machine, whichever of them its system has chosen.
  const isOwn =
    equalBytes(address, asker) || (addressScope(address) === 'machine' && addressScope(asker) === 'machine')
  if (!isOwn)
    throw new ApiProblem(403, 'tracker/foreign-address', `hostaddr is not the address you ask from`, {
      hint: `Yours is ${formatAddress(asker)}; a proxy must be named with --trusted-proxy.`,
      fields: [{ field: 'hostaddr', message: 'is not yours' }],
    })
  const infoHash = body.info_hash === undefined ? REGISTRY : swarmOf(services, request, body.info_hash)
  return { infoHash, address, port: body.port, peerId: peerIdOf(body.peer_id) }
}

function askerOf({ tracker }: ApiServices, request: FastifyRequest, claimed?: string): Uint8Array {
  const asker = tracker.askerOf(request.raw, claimed)
  if (asker === undefined) throw new ApiProblem(400, 'api/bad-request', 'the connection has gone')
  if (!tracker.admits(asker))
    throw new ApiProblem(429, 'tracker/too-many-requests', 'too many requests from your address')
  return asker
}

function addressOf(text: string, field: string): Uint8Array {
  const address = parseAddress(text === 'localhost' ? '127.0.0.1' : text)
  if (address !== undefined) return address
  const message = 'is no numeric address'
  throw new ApiProblem(400, 'api/invalid-request', `${field} ${message}`, { fields: [{ field, message }] })
}

/** The swarm of which this asker may hear. @param text by the schema 40 or 64 hex digits */
function swarmOf(services: ApiServices, request: FastifyRequest, text: string): Uint8Array {
  const infoHash = fromHex(text)!.subarray(0, INFO_HASH_LENGTH)
  checkSwarm(services, request, infoHash)
  return infoHash
}

function peerIdOf(text: string): Uint8Array {
  if (/^[0-9a-f]{40}$/i.test(text)) return fromHex(text)!
  const bytes = encodeUtf8(text)
  if (bytes.length > PEER_ID_LENGTH) {
    const fields = [{ field: 'peer_id', message: 'is longer than 20 bytes' }]
    throw new ApiProblem(400, 'api/invalid-request', 'peer_id is longer than 20 bytes', { fields })
  }
  const peerId = new Uint8Array(PEER_ID_LENGTH)
  peerId.set(bytes)
  return peerId
}

function peerIdText(peerId: Uint8Array): string {
  const text = String.fromCharCode(...peerId).replace(/\0+$/, '')
  return /^[\x20-\x7e]+$/.test(text) ? text : toHex(peerId)
}

function rowOf({ peerId, address, port, isSeed, reach }: KnownPeer): PeersReply['peers'][number] {
  return {
    peer_id: peerIdText(peerId),
    hostaddr: formatAddress(address),
    port,
    client: clientName(peerId),
    seed: isSeed,
    reach,
  }
}

function unknownSwarm(): ApiProblem {
  return new ApiProblem(404, 'tracker/unknown-swarm', 'not found: nobody is in that swarm')
}
