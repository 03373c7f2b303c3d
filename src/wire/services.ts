/**
 * The services of a peer: what one Shoal peer may ask another outside any swarm. A connection that names
 * this infohash in its handshake is answered by every Shoal peer, and speaks the extension protocol (BEP 10)
 * and nothing else. docs/protocol/services.md.
 */
import { fromLatin1 } from '../base/text.ts'
import { CLAIMS_EXTENSION } from './claims-messages.ts'
import { STATS_EXTENSION } from './stats-messages.ts'

/** 20 bytes that no torrent has but by design. Never announced anywhere. */
export const SERVICE_INFO_HASH = fromLatin1('shoal-peer-service-1')

/** Under which numbers we want these messages. */
export const SERVICE_IDS = { [CLAIMS_EXTENSION]: 1, [STATS_EXTENSION]: 2 } as const
