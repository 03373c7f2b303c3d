/** How swarms and endpoints are named in Redis; the keys are described in `redis-scripts.ts`. */

export const PEER_ID_LENGTH = 20

const PARTS = ['v4', 'v6', 'due', 'counts', 'far4', 'far6', 'probes', 'have', 'reports']
/** Each is asked a few times a second by every process, and each is a part of a cluster. */
export const SHARDS = 16

/** In the order in which scripts take them. */
export function keysOf(infoHash: Uint8Array): string[] {
  const swarm = `shoal:{${Buffer.from(infoHash).toString('hex')}}`
  return PARTS.map((part) => `${swarm}:${part}`)
}

/** The list that names this swarm when somebody there is to be probed. */
export function shardOf(infoHash: Uint8Array): string {
  return shardKey(infoHash[0]! % SHARDS)
}

export function shardKey(shard: number): string {
  return `shoal:{probes-${shard}}`
}

export function endpointOf(address: Uint8Array, port: number): Buffer {
  const endpoint = Buffer.alloc(address.length + 2)
  endpoint.set(address)
  endpoint.writeUInt16BE(port, address.length)
  return endpoint
}
