/**
 * Blocks, hashes, rejects and chokes as the byte stream of a peer on probation (BEP 52, S14). It must not
 * throw, get another peer banned, be asked for more than one block before the hashes of its piece are
 * known, or keep an honest peer from finishing what it began.
 */
import { assert } from '../../../src/base/assert.ts'
import { concatBytes } from '../../../src/base/bytes.ts'
import { nodeCrypto } from '../../../src/nodejs/node-crypto.ts'
import { digestBlocks } from '../../../src/nodejs/piece-digests.ts'
import { encodeHashes, encodeHashRequest, type HashRequest } from '../../../src/wire/hash-messages.ts'
import { HashTree } from '../../../src/wire/merkle.ts'
import { MESSAGE, MessageWriter } from '../../../src/wire/peer-messages.ts'
import { blockFrame, contentAs, OneClient } from '../../sim/one-client.ts'
import { BLOCK } from '../../sim/small-world.ts'

const PIECES = 3
const BLOCKS = 4
const CONTENT = contentAs('v2', PIECES, BLOCKS)
const TREE = new HashTree(digestBlocks(CONTENT.bytes), 0, PIECES * BLOCKS, nodeCrypto)
const root = CONTENT.metainfo.files[0]!.piecesRoot!
const ASKED: HashRequest = { root, baseLayer: 0, index: 0, count: BLOCKS, proofLayers: 1 }
/** The first that connects. */
const PEER = '127.0.0.1:1001'
/** Far more than twelve blocks take, and a trial whose witnesses are silent. */
const TURNS_MAX = 300

/** Where a byte of a frame is taken for a whole block: a fuzzer makes no 16 KiB. */
const RIGHT = 0xfe
const WRONG = 0xff

function frames(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter()
  write(writer)
  return writer.take()
}

/** The peer brings what it is asked for first. */
function bring(world: OneClient, peer: number, isRight: boolean): void {
  const [next] = world.asked(peer)
  if (next === undefined) return
  const frame = blockFrame(CONTENT, ...next)
  if (!isRight) frame[99]! ^= 1
  world.receive(peer, frame)
}

function finish(world: OneClient): void {
  const honest = world.seed()
  let refused = 0
  for (let turn = 0; turn < TURNS_MAX && !world.torrent.isComplete; turn++) {
    bring(world, honest, true)
    const requests = world.hashRequests(honest)
    for (const request of requests.slice(refused))
      world.say(honest, (writer) => writer.bytes(MESSAGE.hashReject, encodeHashRequest(request)))
    refused = requests.length
    world.pass(0.05)
  }
}

export default {
  name: 'probation-stream',

  seeds(): Uint8Array[] {
    const hashes = encodeHashes({ request: ASKED, hashes: TREE.answer(ASKED)! })
    const told = frames((writer) => writer.bytes(MESSAGE.hashes, hashes))
    const refused = frames((writer) => writer.bytes(MESSAGE.hashReject, encodeHashRequest(ASKED)))
    const choked = frames((writer) => {
      writer.plain(MESSAGE.choke)
      writer.block(MESSAGE.reject, 0, 0, BLOCK)
      writer.plain(MESSAGE.unchoke)
    })
    return [
      concatBytes([Uint8Array.of(9, RIGHT), told, Uint8Array.of(RIGHT, RIGHT, WRONG)]),
      concatBytes([Uint8Array.of(9, WRONG), refused, Uint8Array.of(RIGHT, WRONG)]),
      concatBytes([Uint8Array.of(2, RIGHT), choked, told, Uint8Array.of(RIGHT)]),
    ]
  },

  /** The first byte says how many others are given at a time. */
  run(bytes: Uint8Array): void {
    const world = new OneClient(CONTENT)
    const peer = world.seed()
    const step = 1 + (bytes[0] ?? 0) * 7
    for (let at = 1; at < bytes.length; ) {
      const session = world.session(peer)
      if (session === undefined) break
      if (session.isUntried && session.awaits !== undefined) {
        const unknown = [...session.outstanding].filter(({ gathering }) => gathering === session.awaits)
        assert(unknown.length <= 1, 'one block is asked for before its hash is known')
      }
      const isBlock = bytes[at] === RIGHT || bytes[at] === WRONG
      if (isBlock) bring(world, peer, bytes[at] === RIGHT)
      else world.receive(peer, bytes.slice(at, at + step))
      at += isBlock ? 1 : step
    }
    if (world.session(peer) !== undefined) world.leave(peer)
    world.pass(5)
    finish(world)
    assert(world.torrent.isComplete, 'an honest peer finishes it')
    for (const output of world.outputs)
      if (output.kind === 'event' && output.event.event === 'peer-banned')
        assert(output.event.address === PEER, 'nobody is banned for what another sent')
  },
}
