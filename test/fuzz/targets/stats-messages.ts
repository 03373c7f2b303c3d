/** Counters of another peer: few, small names, counts that are numbers. */
import { isDeepStrictEqual } from 'node:util'
import { assert } from '../../../src/base/assert.ts'
import { LIMITS } from '../../../src/base/limits.ts'
import { fromLatin1 } from '../../../src/base/text.ts'
import { decodeStatsQuery, decodeStatsReply, encodeStatsReply } from '../../../src/wire/stats-messages.ts'

export default {
  name: 'stats-messages',

  seeds: (): Uint8Array[] => [
    encodeStatsReply({ peerId: new Uint8Array(20), ids: 2, counters: new Map([['claims_asked', 3]]) }),
    fromLatin1('d7:all_idsi1ee'),
    fromLatin1('d5:error11:not-for-youe'),
  ],

  run(bytes: Uint8Array): void {
    decodeStatsQuery(bytes)
    const reply = decodeStatsReply(bytes)
    if (!reply.ok) return
    const { counters } = reply.value
    assert(counters.size <= LIMITS.countersMax.value, 'counters are bounded')
    const sorted = (map: ReadonlyMap<string, number>) => [...map].sort()
    const again = decodeStatsReply(encodeStatsReply(reply.value))
    assert(again.ok && isDeepStrictEqual(sorted(again.value.counters), sorted(counters)), 'can be written')
  },
}
