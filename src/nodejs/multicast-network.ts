/**
 * The port to the local network over UDP multicast: one listening socket for each address family, shared with
 * other programs on the port of BEP 14, and a short-lived one for each network an announce goes to, because a
 * socket sends to one network only. Networks that come later are joined at the next announce.
 * Invariant: nothing here ever fails towards the caller; it keeps no process alive.
 */
import dgram from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { LIMITS } from '../base/limits.ts'
import type { LocalNetwork } from '../ports/local-network.ts'
import { addressScope, isUnicast } from '../wire/address-scope.ts'
import { formatAddress, parseAddress } from '../wire/endpoint.ts'
import { LOCAL_GROUPS, LOCAL_PORT, type LocalGroup } from '../wire/local-announce.ts'

/** Announces stay in the network they are sent to. */
const HOPS_MAX = 1
const FAMILIES = { v4: 'udp4', v6: 'udp6' } as const

/** One of our addresses in a network. */
interface LocalInterface {
  readonly group: LocalGroup
  /** Numeric, without zone. */
  readonly address: string
  /** As sockets want to hear of it. */
  readonly interface: string
}

export class MulticastNetwork implements LocalNetwork {
  /** The one address whose network counts; undefined for all. */
  readonly #host: string | undefined
  /** Bound or about to be. */
  readonly #listening = new Map<LocalGroup, dgram.Socket>()
  /** Bound: joining a group would bind any other to a port by chance. */
  readonly #bound = new Set<dgram.Socket>()
  /** Closed by themselves a moment later. Bounded by `localInterfacesMax`. */
  readonly #sending = new Set<dgram.Socket>()
  #isClosed = false

  constructor(host: string | undefined) {
    this.#host = host
  }

  open(heard: (host: string, bytes: Uint8Array) => void, unavailable: (reason: string) => void): void {
    const groups = [...new Set(this.#interfaces().map(({ group }) => group))]
    let failureCount = 0
    const failed = (reason: string): void => {
      if (++failureCount >= groups.length) unavailable(reason)
    }
    if (groups.length === 0) queueMicrotask(() => unavailable('this machine is in no network'))
    for (const group of groups) this.#listen(group, heard, failed)
  }

  send(group: LocalGroup, bytes: Uint8Array): void {
    if (this.#isClosed) return
    this.#joinGroups(group)
    for (const local of this.#interfaces()) if (local.group === group) this.#sendFrom(local, bytes)
  }

  close(): void {
    this.#isClosed = true
    for (const socket of [...this.#listening.values(), ...this.#sending]) closeSocket(socket)
    this.#listening.clear()
    this.#sending.clear()
  }

  #listen(
    group: LocalGroup,
    heard: (host: string, bytes: Uint8Array) => void,
    failed: (reason: string) => void,
  ): void {
    const socket = dgram.createSocket({ type: FAMILIES[group], reuseAddr: true, ipv6Only: group === 'v6' })
    this.#listening.set(group, socket)
    socket.on('error', (error) => {
      if (this.#listening.get(group) !== socket) return
      this.#listening.delete(group)
      closeSocket(socket)
      failed(error.message)
    })
    socket.on('message', (bytes, { address }) => {
      const host = parseAddress(address)
      if (host !== undefined && !this.#isClosed) heard(formatAddress(host), bytes)
    })
    socket.bind({ port: LOCAL_PORT }, () => {
      this.#bound.add(socket)
      if (!this.#isClosed && this.#joinGroups(group) === 0) socket.emit('error', new Error('no multicast'))
    })
    socket.unref()
  }

  /** Gives how many networks are heard; those that were joined before count, too. */
  #joinGroups(group: LocalGroup): number {
    const socket = this.#listening.get(group)
    if (socket === undefined || !this.#bound.has(socket)) return 0
    let count = 0
    for (const local of this.#interfaces()) {
      if (local.group !== group) continue
      try {
        socket.addMembership(LOCAL_GROUPS[group], local.interface)
        count++
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') count++
      }
    }
    return count
  }

  #sendFrom(local: LocalInterface, bytes: Uint8Array): void {
    const { group } = local
    const socket = dgram.createSocket({ type: FAMILIES[group], ipv6Only: group === 'v6' })
    const done = (): void => {
      if (this.#sending.delete(socket)) closeSocket(socket)
    }
    this.#sending.add(socket)
    socket.on('error', done)
    socket.bind({ port: 0, address: local.address }, () => {
      if (!this.#sending.has(socket)) return
      try {
        socket.setMulticastInterface(local.interface)
        socket.setMulticastTTL(HOPS_MAX)
        // Peers on this machine are found like any other.
        socket.setMulticastLoopback(true)
        socket.send(bytes, LOCAL_PORT, LOCAL_GROUPS[group], done)
      } catch {
        done()
      }
    })
    socket.unref()
  }

  #interfaces(): LocalInterface[] {
    const found: LocalInterface[] = []
    for (const [name, addresses] of Object.entries(networkInterfaces()))
      for (const { address, internal } of addresses ?? []) {
        const bytes = parseAddress(address)
        if (internal || bytes === undefined || !isUnicast(bytes) || addressScope(bytes) === 'machine')
          continue
        if (this.#host !== undefined && this.#host !== formatAddress(bytes)) continue
        const group = bytes.length === 4 ? 'v4' : 'v6'
        if (found.some((other) => other.group === group && other.interface === `::%${name}`)) continue
        found.push({ group, address, interface: group === 'v4' ? address : `::%${name}` })
      }
    return found.slice(0, LIMITS.localInterfacesMax.value)
  }
}

function closeSocket(socket: dgram.Socket): void {
  try {
    socket.close()
  } catch {
    // It was closed already.
  }
}
