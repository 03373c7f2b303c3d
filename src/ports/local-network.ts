/**
 * Multicast in the networks this machine is part of (BEP 14). What cannot be sent or heard is lost without a
 * word, as datagrams are; a machine without multicast hears and sends nothing.
 */
import type { LocalGroup } from '../wire/local-announce.ts'

export interface LocalNetwork {
  /**
   * Begins to listen. `host` is numeric; `bytes` is borrowed until the call returns. `unavailable` is called
   * at most once, with the reason why nothing will be heard.
   */
  open(heard: (host: string, bytes: Uint8Array) => void, unavailable: (reason: string) => void): void
  /** To everyone in the group, in each network. */
  send(group: LocalGroup, bytes: Uint8Array): void
  /** Lets go of every socket at once; nothing is heard afterwards. */
  close(): void
}
