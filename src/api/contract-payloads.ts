/** Payload strings over the API. Every reply about one names its id. */
import { type Static, Type } from 'typebox'
import { exact, Problem } from './contract.ts'

export const PutPayload = exact({
  /** Any text, of at most 1 MiB in UTF-8; the empty one too. */
  payload: Type.String(),
  /** False: the tracker keeps id and hashes, not the string. */
  store: Type.Optional(Type.Boolean()),
})

const ABOUT = {
  /** 64 hex digits. */
  payloadId: Type.String(),
  /** 40 hex digits: the v1 infohash of the same torrent. */
  infoHash: Type.String(),
  /** Of the file that peers share. */
  name: Type.String(),
  /** Of the string in UTF-8. */
  bytes: Type.Integer(),
  chunkCount: Type.Integer(),
  /** Characters (code points) of a chunk. */
  chunkSize: Type.Integer(),
  /** By which `chunks` and `rootHash` are made: SHA-256. */
  hash: Type.Literal('sha256'),
  /** Of the hex digests of all chunks, one after the other. */
  rootHash: Type.String(),
  /** The tracker has the string itself. */
  stored: Type.Boolean(),
}

export const PayloadPut = Type.Object({
  ...ABOUT,
  status: Type.Union([Type.Literal('stored'), Type.Literal('already known')]),
})
export type PayloadPut = Static<typeof PayloadPut>

export const PayloadFound = Type.Object({
  valid: Type.Literal(true),
  ...ABOUT,
  /** Null when the tracker keeps the hashes only. */
  payload: Type.Union([Type.String(), Type.Null()]),
  /** 64 hex digits for each chunk, in order; left out with `hashes=false`. */
  chunks: Type.Optional(Type.Array(Type.String())),
  /** Peers that announced that they have it. */
  holders: Type.Integer(),
})
export type PayloadFound = Static<typeof PayloadFound>

export const PayloadUnknown = Type.Object({
  ...Problem.properties,
  valid: Type.Literal(false),
  payloadId: Type.String(),
})
