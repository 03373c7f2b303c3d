/**
 * A payload string held by a peer: written to a file of its own and shared like any torrent, so that other
 * peers can fetch it and ask about its chunks.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type PayloadTorrent, payloadText, payloadTorrent } from '../catalog/payload.ts'
import { nodeCrypto } from '../nodejs/node-crypto.ts'
import { ShoalError } from '../nodejs/shoal-error.ts'
import { writeWhole } from '../nodejs/whole-file.ts'
import { type Metainfo, parseMetainfo } from '../wire/metainfo.ts'
import { encodeMetainfo } from '../wire/metainfo-writer.ts'
import type { TorrentPlan } from './peer-run.ts'

export interface Payload {
  readonly bytes: Uint8Array
  readonly text: string
  readonly torrent: PayloadTorrent
}

/** Throws ShoalError `payload/…`. @param bytes of a string in UTF-8 */
export function payloadOf(bytes: Uint8Array): Payload {
  const text = payloadText(bytes)
  if (!text.ok) throw ShoalError.from(text.error)
  return { bytes, text: text.value, torrent: payloadTorrent(bytes, nodeCrypto) }
}

/** Writes the file into the folder; undefined for the empty string, of which there is nothing to share. */
export function seedPlan({ bytes, torrent }: Payload, dir: string): TorrentPlan | undefined {
  if (bytes.length === 0) return undefined
  const parsed = parseMetainfo(encodeMetainfo(torrent.info, {}), nodeCrypto)
  if (!parsed.ok) throw ShoalError.from(parsed.error)
  mkdirSync(dir, { recursive: true })
  writeWhole(join(dir, torrent.name), bytes)
  return { metainfo: parsed.value, dir, role: 'seed' }
}

/** What a finished download of a payload has brought. Throws `payload/not-a-payload`. */
export function readPayload(metainfo: Metainfo, dir: string, id: string): Payload {
  const payload = payloadOf(readFileSync(join(dir, metainfo.name)))
  if (payload.torrent.id !== id && payload.torrent.infoHash !== id) throw notAPayload(id)
  return payload
}

export function notAPayload(id: string): ShoalError {
  return new ShoalError(
    'payload/not-a-payload',
    `${id} is a torrent, but no payload string`,
    'Fetch it with `shoal get`.',
  )
}
