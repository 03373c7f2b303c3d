/**
 * Swarms as bytes, so that a tracker that starts again still knows who was there: clients come back only
 * after an interval, and until then its answers and its catalog would be empty.
 *
 * One swarm is: version 1; completed (4 bytes); then for each peer flags (1 = seed, 2 = may be probed,
 * 4 = IPv6), its endpoint (6 or 18 bytes, as in BEP 7 and 23) and its peer id (20 bytes).
 * Invariants: what does not read is passed over; a peer that is there already stays as it is; restored peers
 * are probed like new ones, and live as long as if they had announced just now.
 * Bounded by `trackerKeptPeersMax` in all and `trackerListedMax` of one swarm, by chance.
 */
import { concatBytes, readUint16, readUint32, writeUint16, writeUint32 } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { COMPACT_V4_LENGTH, COMPACT_V6_LENGTH } from '../wire/endpoint.ts'
import type { PeerRecord } from './peer-record.ts'
import { PEER_ID_LENGTH } from './peer-table.ts'
import { type SwarmTable, sizeOf } from './swarm-table.ts'

export interface KeptSwarm {
  readonly infoHash: Uint8Array
  readonly bytes: Uint8Array
}

const VERSION = 1
const HEAD_LENGTH = 5
const IS_SEED = 1
const MAY_BE_PROBED = 2
const IS_V6 = 4

/** Swarm by swarm, so that others are served in between; one that goes meanwhile may be left out. */
export function* keptSwarms(swarms: SwarmTable): Generator<KeptSwarm> {
  let room: number = LIMITS.trackerKeptPeersMax.value
  for (const swarm of swarms.swarms()) {
    if (room <= 0) return
    const refs = swarms.sampleRefs(swarm, Math.min(room, sizeOf(swarm), LIMITS.trackerListedMax.value))
    const records = refs.map((ref) => swarms.record(ref))
    const [first] = records
    if (first === undefined) continue
    room -= records.length
    const head = new Uint8Array(HEAD_LENGTH)
    head[0] = VERSION
    writeUint32(head, 1, swarm.completed)
    const peers = records.map((record) => encodePeer(record, swarms.mayBeProbed(record.ref)))
    yield { infoHash: first.infoHash, bytes: concatBytes([head, ...peers]) }
  }
}

export function restoreSwarm(swarms: SwarmTable, nowSeconds: number, { infoHash, bytes }: KeptSwarm): void {
  if (bytes[0] !== VERSION || bytes.length < HEAD_LENGTH) return
  for (let at = HEAD_LENGTH; at < bytes.length; ) {
    const flags = bytes[at]!
    const portAt = at + 1 + ((flags & IS_V6) === 0 ? COMPACT_V4_LENGTH : COMPACT_V6_LENGTH) - 2
    const end = portAt + 2 + PEER_ID_LENGTH
    if (end > bytes.length) return
    const address = bytes.subarray(at + 1, portAt)
    const port = readUint16(bytes, portAt)
    const peerId = bytes.subarray(portAt + 2, end)
    at = end
    if (swarms.refOf(infoHash, address, port) !== undefined) continue
    const left = (flags & IS_SEED) === 0 ? Number.MAX_SAFE_INTEGER : 0
    const member = { infoHash, peerId, port, left, event: undefined }
    if (swarms.join(nowSeconds, address, member, (flags & MAY_BE_PROBED) !== 0) === undefined) return
  }
  const swarm = swarms.find(infoHash)
  if (swarm !== undefined) swarm.completed = Math.max(swarm.completed, readUint32(bytes, 1))
}

function encodePeer({ address, port, peerId, isSeed }: PeerRecord, mayBeProbed: boolean): Uint8Array {
  const bytes = new Uint8Array(1 + address.length + 2 + PEER_ID_LENGTH)
  bytes[0] = (isSeed ? IS_SEED : 0) | (mayBeProbed ? MAY_BE_PROBED : 0) | (address.length === 4 ? 0 : IS_V6)
  bytes.set(address, 1)
  writeUint16(bytes, 1 + address.length, port)
  bytes.set(peerId, 3 + address.length)
  return bytes
}
