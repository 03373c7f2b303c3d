/** BEP 10 handshakes: whatever a peer says of itself ends up bounded or refused. */
import { assert } from '../../../src/base/assert.ts'
import { decodeExtensionHandshake, encodeExtensionHandshake } from '../../../src/wire/extension-handshake.ts'

export default {
  name: 'extension-handshake',

  seeds(): Uint8Array[] {
    const handshake = {
      messages: new Map([
        ['ut_metadata', 1],
        ['ut_pex', 2],
      ]),
      client: 'Shoal 1.0',
      listenPort: 6881,
      requestQueueLength: 500,
      isUploadOnly: true,
      metadataSize: 12_345,
      longMessageBytes: 131_072,
    }
    return [
      encodeExtensionHandshake(handshake),
      new TextEncoder().encode('d1:md6:ut_pexi-1ee1:pi99999e1:v3:\xff\xffe'),
    ]
  },

  run(bytes: Uint8Array): void {
    const decoded = decodeExtensionHandshake(bytes)
    if (!decoded.ok) return
    const { messages, client, listenPort } = decoded.value
    assert(messages.size <= 64 && (client?.length ?? 0) <= 64, 'names are bounded')
    assert(listenPort === undefined || (listenPort > 0 && listenPort < 65_536), 'ports are ports')
    for (const id of messages.values()) assert(id >= 0 && id < 256, 'ids fit a byte')
    const again = decodeExtensionHandshake(encodeExtensionHandshake(decoded.value))
    assert(again.ok && again.value.messages.size === messages.size, 'what was read can be written')
  },
}
