/** Claims: whatever bytes come, few claims are kept, and what decodes can be written again. */
import { isDeepStrictEqual } from 'node:util'
import { assert } from '../../../src/base/assert.ts'
import { LIMITS } from '../../../src/base/limits.ts'
import { fromLatin1 } from '../../../src/base/text.ts'
import { judge } from '../../../src/swarm/claims.ts'
import {
  decodeClaimsQuery,
  decodeClaimsReply,
  encodeClaimsQuery,
  encodeClaimsReply,
} from '../../../src/wire/claims-messages.ts'

const PAYLOAD = fromLatin1('asdaqwerzxcv1')

export default {
  name: 'claims-messages',

  seeds: (): Uint8Array[] => [
    encodeClaimsQuery({
      payload: new Uint8Array(32),
      claims: [
        { position: 0, chunk: fromLatin1('asda') },
        { position: -1, chunk: new Uint8Array(0) },
      ],
    }),
    encodeClaimsReply({ kind: 'answered', isHeld: true, results: [true, false] }),
    encodeClaimsReply({ kind: 'refused', reason: 'busy' }),
    fromLatin1('d6:claimsld5:chunk4:asda8:positioni1000000000000000000000eeee'),
  ],

  run(bytes: Uint8Array): void {
    const query = decodeClaimsQuery(bytes)
    if (typeof query !== 'string') {
      assert(query.claims.length <= LIMITS.claimsPerQueryMax.value, 'claims are bounded')
      assert(isDeepStrictEqual(decodeClaimsQuery(encodeClaimsQuery(query)), query), 'can be written')
      const verdict = judge(PAYLOAD, query)
      assert(verdict.kind === 'refused' || verdict.results.length === query.claims.length, 'one answer each')
    }
    const reply = decodeClaimsReply(bytes)
    if (!reply.ok) return
    const again = decodeClaimsReply(encodeClaimsReply(reply.value))
    assert(again.ok && isDeepStrictEqual(again.value, reply.value), 'replies can be written')
  },
}
