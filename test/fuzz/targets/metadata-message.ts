/** Metadata messages (BEP 9): what decodes is bounded and says the same when it is written again. */
import { assert } from '../../../src/base/assert.ts'
import { equalBytes } from '../../../src/base/bytes.ts'
import { fromLatin1 } from '../../../src/base/text.ts'
import {
  decodeMetadataMessage,
  encodeMetadataMessage,
  METADATA_PART_LENGTH,
} from '../../../src/wire/metadata-messages.ts'

export default {
  name: 'metadata-message',

  seeds: (): Uint8Array[] =>
    [
      'd8:msg_typei0e5:piecei0ee',
      'd8:msg_typei1e5:piecei3e10:total_sizei34256eexxx',
      'd8:msg_typei2e5:piecei2047ee',
      'd5:piecei1e8:msg_typei1e1:ad1:bi1eeexxx',
    ].map(fromLatin1),

  run(bytes: Uint8Array): void {
    const decoded = decodeMetadataMessage(bytes)
    if (!decoded.ok || decoded.value === undefined) return
    const message = decoded.value
    const again = decodeMetadataMessage(encodeMetadataMessage(message))
    assert(again.ok && again.value?.kind === message.kind, 'it stays what it is')
    assert(again.value.part === message.part, 'it names the same part')
    if (message.kind !== 'data' || again.value.kind !== 'data') return
    assert(message.bytes.length <= METADATA_PART_LENGTH, 'a part is bounded')
    assert(equalBytes(message.bytes, again.value.bytes), 'it has the same bytes')
  },
}
