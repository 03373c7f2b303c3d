/**
 * Which program a peer runs, from its peer id (BEP 20): `-AZ2060-` style, two letters and
 * four version characters.
 * Only a guess for display; the extension handshake's `v` is preferred where there is one.
 */
import { toLatin1 } from '../base/text.ts'

const NAMES: ReadonlyMap<string, string> = new Map([
  ['A2', 'aria2'],
  ['AZ', 'Vuze'],
  ['BI', 'BiglyBT'],
  ['DE', 'Deluge'],
  ['LT', 'libtorrent'],
  ['lt', 'rtorrent'],
  ['qB', 'qBittorrent'],
  ['SH', 'Shoal'],
  ['TR', 'Transmission'],
  ['UT', 'µTorrent'],
  ['WW', 'WebTorrent'],
  ['WD', 'WebTorrent Desktop'],
  ['rq', 'rqbit'],
  ['KT', 'KTorrent'],
])

/** @param peerId 20 bytes */
export function clientName(peerId: Uint8Array): string {
  const match = /^-([A-Za-z0-9]{2})([0-9A-Za-z]{4})-/.exec(toLatin1(peerId.subarray(0, 8)))
  if (match === null) return 'unknown'
  const name = NAMES.get(match[1]!) ?? match[1]!
  const digits = [...match[2]!].map((digit) => Number.parseInt(digit, 36))
  while (digits.length > 2 && digits.at(-1) === 0) digits.pop()
  return `${name} ${digits.join('.')}`
}

/** Peer ids as people see them: printable characters as they are, others as `.`. */
export function peerIdText(peerId: Uint8Array): string {
  return toLatin1(peerId).replaceAll(/[^\x21-\x7e]/g, '.')
}
