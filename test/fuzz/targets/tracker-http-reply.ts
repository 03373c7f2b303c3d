/** Bencoded replies as a client reads them. */
import { fromLatin1 } from '../../../src/base/text.ts'
import { decodeAnnounceReply, decodeScrapeReply } from '../../../src/wire/tracker-http-reply.ts'

export default {
  name: 'tracker-http-reply',

  seeds: (): Uint8Array[] =>
    [
      'd8:completei1e11:external ip4:\x7f\0\0\x0110:incompletei2e8:intervali1800e12:min intervali60e5:peers6:\x7f\0\0\x01\x1a\xe16:peers618:\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1e',
      'd8:intervali60e5:peersld2:ip9:127.0.0.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881eed2:ip3:::14:porti1eeee',
      'd14:failure reason4:busy8:retry ini5ee',
      'd14:failure reason4:busy8:retry in5:nevere',
      'd5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1e10:downloadedi2e10:incompletei3eeee',
    ].map(fromLatin1),

  run(bytes: Uint8Array): void {
    const reply = decodeAnnounceReply(bytes)
    if (reply.ok) {
      for (const { port, peerId } of reply.value.peers)
        if (port < 1 || port > 0xffff || (peerId !== undefined && peerId.length !== 20))
          throw new Error('no such peer')
    } else if (/\p{Cc}/u.test(reply.error.message)) throw new Error('a control character for the terminal')
    decodeScrapeReply(bytes)
  },
}
