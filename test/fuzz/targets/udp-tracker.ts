/**
 * Packets as our UDP tracker answers them: as a stranger's, and as those of somebody who has the
 * connection id the packet then begins with.
 */
import { Prng } from '../../../src/base/prng.ts'
import { SipHash } from '../../../src/base/siphash.ts'
import { type Instant, seconds } from '../../../src/base/time.ts'
import { TRACKER_DEFAULTS } from '../../../src/tracker/announce-policy.ts'
import { AskerAddress } from '../../../src/tracker/asker-address.ts'
import { ConnectionIds } from '../../../src/tracker/connection-ids.ts'
import { SourceBudgets } from '../../../src/tracker/source-budgets.ts'
import { requestBudget } from '../../../src/tracker/source-rules.ts'
import { SwarmTable } from '../../../src/tracker/swarm-table.ts'
import { Tracker, type TrackerAnswer } from '../../../src/tracker/tracker.ts'
import { UdpTracker } from '../../../src/tracker/udp-tracker.ts'
import {
  decodeUdpReply,
  encodeUdpAnnounce,
  encodeUdpConnect,
  encodeUdpScrape,
} from '../../../src/wire/tracker-udp.ts'

const HASH = new Uint8Array(20).fill(2)
const NOW = seconds(100) as Instant
const ADDRESS = Uint8Array.of(192, 0, 2, 1)
const PORT = 4711
const REQUEST = { infoHash: HASH, peerId: HASH, port: 6881, uploaded: 1, downloaded: 2, left: 3, key: 4 }
const CONNECT_LENGTH = 16
const FRAME_LENGTH = 1452

const env = {
  prng: new Prng(1),
  crypto: { sha1: () => HASH, sha256: () => new Uint8Array(32) },
  buggify: () => false,
}
const hash = new SipHash(new Uint8Array(16).fill(9))
const swarms = new SwarmTable(new Prng(1), { swarmsMax: 100, peersPerFamilyMax: 1000 })
const tracker = new Tracker(env, { ...TRACKER_DEFAULTS, fullListPeers: 1000 }, swarms)
const connectionIds = new ConnectionIds(hash)
const udp = new UdpTracker({
  connectionIds,
  budgets: new SourceBudgets(hash, requestBudget('off')),
  askers: new AskerAddress(['192.0.2.1']),
  desk: {
    ask: (question, answer) => {
      tracker.handle(NOW, { ...question, id: 1 })
      answer(tracker.poll() as TrackerAnswer)
    },
  },
})
const id = connectionIds.create(NOW, ADDRESS, PORT)

function send(packet: Uint8Array, port = PORT): Uint8Array | undefined {
  let sent: Uint8Array | undefined
  udp.take(NOW, packet, ADDRESS, port, (reply) => {
    sent = reply
  })
  return sent
}

export default {
  name: 'udp-tracker',

  seeds: (): Uint8Array[] => [
    encodeUdpConnect(7),
    encodeUdpAnnounce(id, 7, REQUEST, '/announce?k=1'),
    encodeUdpAnnounce(id, 7, { ...REQUEST, event: 'stopped', numwant: 3 }),
    encodeUdpScrape(id, 7, [HASH, HASH]),
  ],

  run(bytes: Uint8Array): void {
    const stranger = send(bytes, PORT + 1)
    if (stranger !== undefined && (stranger.length > CONNECT_LENGTH || stranger.length > bytes.length))
      throw new Error('a stranger got more than it sent')
    if (bytes.length >= id.length) {
      const known = bytes.slice()
      known.set(id)
      const reply = send(known)
      if (reply !== undefined && (reply.length > FRAME_LENGTH || !decodeUdpReply(reply, 'v4').ok))
        throw new Error('no reply of the protocol, or too long')
    }
    const good = send(encodeUdpScrape(id, 7, [HASH]))
    if (good === undefined || good.length !== 20) throw new Error('the next good request is not answered')
  },
}
