/** Magnet links: what is read is written as a link that reads the same. */
import { isDeepStrictEqual } from 'node:util'
import { encodeUtf8, fromLatin1, toLatin1 } from '../../../src/base/text.ts'
import { formatMagnet, parseMagnet } from '../../../src/wire/magnet.ts'

const V1 = 'ab'.repeat(20)
const V2 = 'cd'.repeat(32)

export default {
  name: 'magnet',

  seeds: (): Uint8Array[] =>
    [
      `magnet:?xt=urn:btih:${V1}&dn=a+name&tr=http%3A%2F%2Fa%2F&tr.2=udp://b:1&x.pe=1.2.3.4:5&x.pe=%5B::1%5D:6&so=0,2,4-8`,
      `magnet:?xt=urn:btmh:1220${V2}&xt=urn:btih:ABCDEFGHIJKLMNOPQRSTUVWXYZ234567&ws=http://w/&xs=http://x/`,
      `MAGNET:?dn=ä&xt=urn:btih:${V1}#f`,
    ].map(encodeUtf8),

  run(bytes: Uint8Array): void {
    const magnet = parseMagnet(toLatin1(bytes))
    if (!magnet.ok) return
    const again = parseMagnet(formatMagnet(magnet.value))
    if (!again.ok) throw new Error(`written, but not read again: ${again.error.message}`)
    if (!isDeepStrictEqual(again.value, magnet.value)) throw new Error('another magnet after writing')
    if (fromLatin1(formatMagnet(magnet.value)).some((byte) => byte <= 0x20 || byte > 0x7e))
      throw new Error('not plain ASCII')
  },
}
