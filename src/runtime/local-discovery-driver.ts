/** Runs local discovery over the port to the local network. It decides nothing. */
import type { Clock } from '../ports/clock.ts'
import type { LocalNetwork } from '../ports/local-network.ts'
import type { LocalDiscovery, LocalDiscoveryInput, LocalDiscoveryOutput } from '../swarm/local-discovery.ts'
import { Pump } from './pump.ts'

export interface LocalDiscoveryEvents {
  found(peer: Extract<LocalDiscoveryOutput, { kind: 'found' }>): void
  /** Nothing will be heard, and why. */
  unavailable(reason: string): void
}

export class LocalDiscoveryDriver {
  readonly #network: LocalNetwork
  readonly #pump: Pump<LocalDiscoveryInput, LocalDiscoveryOutput>

  constructor(machine: LocalDiscovery, clock: Clock, network: LocalNetwork, events: LocalDiscoveryEvents) {
    this.#network = network
    this.#pump = new Pump<LocalDiscoveryInput, LocalDiscoveryOutput>(
      machine,
      clock,
      { kind: 'tick' },
      (output) => {
        if (output.kind === 'send') network.send(output.group, output.bytes)
        else events.found(output)
      },
    )
    network.open(
      (host, bytes) => this.#pump.push({ kind: 'heard', host, bytes }),
      (reason) => events.unavailable(reason),
    )
  }

  /** @param infoHashes 20 bytes for each name of the torrent */
  join(torrent: number, infoHashes: readonly Uint8Array[]): void {
    this.#pump.push({ kind: 'join', torrent, infoHashes })
  }

  stop(): void {
    this.#pump.stop()
    this.#network.close()
  }
}
