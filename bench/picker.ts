/**
 * What it costs to choose requests among many peers and pieces.
 * `picker` is the piece picker alone: each pick is by a peer in turn that has half of the pieces, and
 * the piece is then closed. `machine` is the whole swarm machine in one download: everything it does
 * for a block from its arrival to the next request, without sockets, hashes and disks; blocks are
 * tiny, so copying does not count.
 *
 *   npm run bench -- picker [--rounds 3] [--blocks-per-piece 16]
 *
 * One more round warms up. No build needed.
 */
import { parseArgs } from 'node:util'
import { Bitfield } from '../src/base/bitfield.ts'
import { Prng } from '../src/base/prng.ts'
import { PiecePicker } from '../src/swarm/piece-picker.ts'
import { positiveNumber } from './kit/options.ts'
import { downloadSeconds } from './kit/played-swarm.ts'
import { Results } from './kit/results.ts'

const PICKERS = [
  [2000, 10],
  [20_000, 50],
  [100_000, 200],
] as const
const MACHINES = [
  [1000, 1, 1],
  [2000, 10, 1],
  [2000, 50, 0.5],
  [20_000, 50, 0.5],
  [20_000, 200, 0.1],
] as const

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    'blocks-per-piece': { type: 'string', default: '16' },
  },
})
const blocksPerPiece = positiveNumber('blocks-per-piece', values['blocks-per-piece'])
const results = new Results()
for (let round = 0; round <= positiveNumber('rounds', values.rounds); round++) {
  const add: Results['add'] = (what, figures) => round > 0 && results.add(what, figures)
  for (const [pieceCount, peerCount] of PICKERS)
    add(`picker: ${pieceCount} pieces, ${peerCount} peers`, timePicker(pieceCount, peerCount))
  for (const [pieceCount, peerCount, fraction] of MACHINES) {
    const have = fraction === 1 ? 'seeds' : `peers with ${100 * fraction} %`
    const seconds = downloadSeconds({ pieceCount, blocksPerPiece, peerCount, fraction })
    const perBlock = (seconds * 1e9) / (pieceCount * blocksPerPiece)
    add(`machine: ${pieceCount} pieces, ${peerCount} ${have}`, { 'ns per block': perBlock })
  }
}
results.printByRow(`${blocksPerPiece} blocks per piece`)
results.save('picker', values, ['ns per block', 'ns per have'])

function timePicker(pieceCount: number, peerCount: number): Record<string, number> {
  const prng = new Prng(1)
  const picker = new PiecePicker(pieceCount, 'rarest', new Prng(2))
  for (let piece = 0; piece < pieceCount; piece++) picker.open(piece)
  const peers = Array.from({ length: peerCount }, () => randomHalf(pieceCount, prng))
  let haveCount = 0
  const beganAt = performance.now()
  for (const peer of peers)
    for (const piece of peer.ones()) {
      picker.peerHas(piece)
      haveCount++
    }
  const toldAt = performance.now()
  let pickCount = 0
  for (let idle = 0; idle < peerCount; pickCount++) {
    const piece = picker.pick(peers[pickCount % peerCount]!)
    idle = piece < 0 ? idle + 1 : 0
    if (piece >= 0) picker.close(piece)
  }
  const pickedAt = performance.now()
  return {
    'ns per block': ((pickedAt - toldAt) * 1e6) / (pickCount * blocksPerPiece),
    'ns per have': ((toldAt - beganAt) * 1e6) / haveCount,
  }
}

function randomHalf(pieceCount: number, prng: Prng): Bitfield {
  const have = new Bitfield(pieceCount)
  for (let piece = 0; piece < pieceCount; piece++) if (prng.fraction() < 0.5) have.set(piece)
  return have
}
